package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// MaxSize is the size in bytes that a release.yaml may have.
const MaxSize = 1 << 20

var kind = strictyaml.Kind{Name: "release", Example: "docs/release.md", MaxSize: MaxSize}

// NamePattern is the form of a release's name.
const NamePattern = `^[A-Za-z0-9]+([ ._-][A-Za-z0-9]+)*$`

// The words that a release.yaml may have; of Immutables and SBOMs the first is
// the default.
var (
	Platforms  = []string{"linux/amd64", "linux/arm64"}
	Immutables = []string{string(push.ImmutableVersions), string(push.ImmutableAll), string(push.ImmutableNone)}
	SBOMs      = []string{"spdx", "cyclonedx", "both"}
)

var nameRule = strictyaml.NewRule(NamePattern, "letters and digits, with single spaces . _ - between them")

// few is how many items a list may have; more is no release that people write.
const few = 100

// ReadFile reads a release.yaml.
func ReadFile(path string) (*Config, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s; give the path of a release.yaml (docs/release.md has one to begin with)", path)
	case err != nil:
		return nil, fmt.Errorf("reading the release: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; give the path of the file, such as %s", path, filepath.Join(path, FileName))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the release: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading the release %s: %w", path, err)
	}
	return Parse(path, data)
}

// Parse reads a release.yaml strictly and checks all that can be checked
// without looking at definitions. source is the name of the file for messages.
// The error is a strictyaml.Problems with everything that is wrong.
func Parse(source string, data []byte) (*Config, error) {
	c := new(Config)
	r, ok := strictyaml.Decode(kind, source, data, c)
	if ok {
		checker{r}.config(c)
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	c.defaults()
	return c, nil
}

func (c *Config) defaults() {
	if c.Immutable == "" {
		c.Immutable = Immutables[0]
	}
	if c.SBOM == "" {
		c.SBOM = SBOMs[0]
	}
	if c.Report == "" {
		c.Report = defaultReport
	}
	for i := range c.Images {
		if len(c.Images[i].Platforms) == 0 {
			c.Images[i].Platforms = []string{defaultPlatform}
		}
	}
}

type checker struct{ *strictyaml.Report }

func (k checker) config(c *Config) {
	k.Match("/name", c.Name, nameRule)
	if k.Some("/images", len(c.Images), few) {
		for i, img := range c.Images {
			k.images(strictyaml.At("/images", i), img)
		}
	}
	k.destinations(c.Destinations)
	k.word("/immutable", c.Immutable, Immutables)
	k.word("/sbom", c.SBOM, SBOMs)
	if c.Sign != nil {
		k.filled("/sign/key", c.Sign.Key, "name a PEM file, env:NAME or command:CMD")
	}
	if c.Prove.Wanted == nil {
		k.platforms("/prove", c.Prove.Platforms)
	}
	k.filled("/catalogue", c.Catalogue, "name a folder, or leave it out for no page")
	k.filled("/report", c.Report, "name a file, or leave it out for "+defaultReport)
}

func (k checker) images(path string, img Images) {
	if at := path + "/definition"; k.Has(at) && !isPath(img.Definition) && !slices.Contains(images.Names(), img.Definition) {
		do := strictyaml.Suggest(img.Definition, images.Names(), "the images are %s", ", ") + "; a path begins with ./"
		k.Add(at, "there is no image "+strictyaml.Quote(img.Definition)+" inside imgbuild", do)
	}
	if k.Has(path+"/all") && !img.All {
		k.Add(path+"/all", "all is false", "leave it out")
	}
	if img.All && k.Written(path+"/versions") {
		k.Add(path+"/all", "all and versions are both there", "keep one of them")
	}
	for _, key := range []string{"versions", "variants"} {
		values := map[string][]string{"versions": img.Versions, "variants": img.Variants}[key]
		k.Some(path+"/"+key, len(values), few)
		k.Unique(path+"/"+key, values)
	}
	k.platforms(path+"/platforms", img.Platforms)
}

func (k checker) platforms(path string, values []string) {
	k.Some(path, len(values), few)
	k.Unique(path, values)
	for i, p := range values {
		if at := strictyaml.At(path, i); k.Has(at) && !slices.Contains(Platforms, p) {
			k.Add(at, "unknown platform "+strictyaml.Quote(p), strictyaml.Suggest(p, Platforms, "use %s", " or "))
		}
	}
}

func (k checker) destinations(d Destinations) {
	const at = "/destinations"
	if k.Has(at) && !k.Written(at+"/registries") && !k.Written(at+"/regions") {
		k.Add(at, "there is no destination", "add `registries: [HOST/NAMESPACE]`, or `regions` with `namespace`")
	}
	k.Some(at+"/registries", len(d.Registries), few)
	k.Unique(at+"/registries", d.Registries)
	for i, s := range d.Registries {
		if p := strictyaml.At(at+"/registries", i); k.Has(p) {
			if _, err := address.Parse(s); err != nil {
				k.Add(p, err.Error(), "write HOST[:PORT][/NAMESPACE]")
			}
		}
	}
	k.regions(at, d)
}

func (k checker) regions(at string, d Destinations) {
	if !k.Written(at + "/regions") {
		for _, key := range []string{"namespace", "instances"} {
			if k.Written(at + "/" + key) {
				k.Add(at+"/"+key, key+" belongs to regions, and there are none", "add regions, or write registries: [HOST/NAMESPACE]")
			}
		}
		return
	}
	k.Some(at+"/regions", len(d.Regions), few)
	k.Unique(at+"/regions", d.Regions)
	known := true
	for i, region := range d.Regions {
		if p := strictyaml.At(at+"/regions", i); k.Has(p) {
			if err := address.CheckRegion(region); err != nil {
				known = false
				what, do, _ := strings.Cut(err.Error(), "; ")
				if !strings.HasPrefix(do, "did you mean") {
					do = "use one of Alibaba Cloud's, such as cn-hangzhou; any other registry goes under `registries`"
				}
				k.Add(p, what, do)
			}
		}
	}
	switch n := len(d.Instances); {
	case !k.Written(at + "/namespace"):
		k.Add(at+"/regions", "regions need a namespace", "add `namespace: …`, the one in Container Registry that the images belong in")
	case n > 1 && n != len(d.Regions):
		k.Add(at+"/instances", fmt.Sprintf("%d instances for %d regions", n, len(d.Regions)), "give one for all, or one for each in the same order")
	case known && k.Has(at+"/regions") && k.Has(at+"/namespace") && len(d.Regions) > 0:
		// What is left is about the words themselves.
		if _, err := (Destinations{Regions: slices.Compact(slices.Sorted(slices.Values(d.Regions)))[:1], Namespace: d.Namespace, Instances: d.Instances[:min(n, 1)]}).Parse(); err != nil {
			k.Add(at+"/namespace", strings.TrimPrefix(err.Error(), "--"), "look at the names in Container Registry's console")
		}
	}
}

// word reports a value that is none of words.
func (k checker) word(path, value string, words []string) {
	if k.Has(path) && !slices.Contains(words, value) {
		k.Add(path, k.Last(path)+" is "+strictyaml.Quote(value), strictyaml.Suggest(value, words, "use %s", " or "))
	}
}

// filled reports a value that is written and empty.
func (k checker) filled(path, value, do string) {
	if k.Has(path) && strings.TrimSpace(value) == "" {
		k.Add(path, k.Last(path)+" is empty", do)
	}
}
