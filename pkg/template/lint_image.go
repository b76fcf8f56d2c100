package template

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// Port is what imgbuild's images listen on.
const Port = 8080

// NoDigest stands in a template for the digest of an image that has not been
// pushed. Nothing has it.
const NoDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// nameRE is the form of functions' names (API reference, CreateFunction).
var nameRE = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func (l *linter) names() {
	if n := l.f.Name; !nameRE().MatchString(n) || len(n) > fc.MaxNameBytes {
		l.add("name", Error, l.f.Line, "the function is called "+strictyaml.Quote(n), fmt.Sprintf("use at most %d letters, digits, _ and -, with a letter or _ in front", fc.MaxNameBytes))
	}
	if r := l.f.Region; r != "" {
		if err := address.CheckRegion(r); err != nil {
			do := "look at the region's ID in the console"
			if near := strictyaml.Near(r, address.Regions()); len(near) > 0 {
				do = "did you mean " + near[0] + "?"
			}
			l.add("region", Warning, l.at("Region"), "the region is "+strictyaml.Quote(r)+", which imgbuild does not know", do)
		}
	}
}

func (l *linter) image() {
	f, line := l.f, l.at("Image")
	ref, err := address.ParseReference(f.Image)
	if err != nil {
		l.add("image-reference", Error, line, "the image is no reference: "+err.Error(), "write HOST/NAMESPACE/NAME:TAG@DIGEST")
		return
	}
	switch {
	case ref.Digest == (v1.Hash{}):
		l.add("image-digest", Warning, line, "the image "+f.Image+" is not pinned, so that invocations fail when its tag is pushed again",
			"add @sha256:… of the image that was pushed; imgbuild deploy pins it by itself")
	case ref.Digest.String() == NoDigest:
		l.add("image-pushed", Note, line, "the image has not been pushed: its digest is only zeros", "push it with imgbuild build --push; imgbuild deploy then takes the digest of the tag")
	}
	acr, ok := address.ParseACR(ref.Repository.Host)
	if !ok {
		if !f.OwnRegistry {
			l.add("image-registry", Warning, line, "the image is not in Container Registry, but at "+ref.Repository.Host,
				"copy it there with imgbuild copy, or give the registry's login in registryConfig (FC 3.0)")
		}
		return
	}
	if f.Region != "" && acr.Region != f.Region {
		l.add("image-region", Error, line, fmt.Sprintf("the image is in %s and the function in %s", acr.Region, f.Region),
			"copy the image into the function's region, with imgbuild copy")
	}
	if f.Service == "" {
		return
	}
	// FC 3.0 finds the instance by itself, and pulls with its own role.
	if acr.Edition == address.Enterprise && f.InstanceID == "" {
		l.add("image-instance", Warning, line, "the image is in an enterprise instance, and the template does not say its ID", "add it as InstanceID: cri-…")
	}
	if f.Role == "" && !slices.Contains(f.Policies, fc.PullPolicy) {
		l.add("pull-policy", Warning, l.at("Image"), "nothing lets the service "+f.Service+" pull the image", "add the policy "+fc.PullPolicy+" to the service, or a role that has it")
	}
}

// program looks at what the template has of the image's own configuration.
func (l *linter) program() {
	f := l.f
	if len(f.Entrypoint) > 0 && f.Entrypoint[0] != definition.ShimPath {
		l.add("entrypoint", Warning, l.at("Entrypoint"), fmt.Sprintf("%s takes the place of the image's entrypoint, and so goes past the shim", strictyaml.Quote(strings.Join(f.Entrypoint, " "))),
			"move it to the arguments (Args of fun and fc, command of fc3), which the shim starts")
		l.found[len(l.found)-1].Shim = true
	}
	if f.Port != Port {
		what := fmt.Sprintf("the port is %d, and imgbuild's images listen on %d", f.Port, Port)
		l.add("port", Error, l.at("Port", "Image"), what, fmt.Sprintf("write %d (CAPort of fun, caPort of fc, port of fc3)", Port))
		l.found[len(l.found)-1].Shim = true
	}
}

// keyRE is the form of an access key's ID.
var keyRE = lazyregexp.New(`^(LTAI|STS\.)[A-Za-z0-9]{12,}$`)

func (l *linter) environment() {
	line, size := l.at("Environment"), 0
	var own, keys []string
	for name, value := range l.f.Environment {
		size += len(name) + len(value)
		if strings.HasPrefix(name, "FC_") || slices.ContainsFunc(fc.Variables, func(v struct{ Header, Variable string }) bool { return v.Variable == name }) {
			own = append(own, name)
		}
		if keyRE().MatchString(value) {
			keys = append(keys, name)
		}
	}
	slices.Sort(own)
	slices.Sort(keys)
	if size > fc.MaxEnvironmentBytes {
		l.add("environment-size", Error, line, fmt.Sprintf("the variables have %d bytes", size), fmt.Sprintf("keep names and values under %d bytes in all", fc.MaxEnvironmentBytes))
	}
	for _, name := range own {
		l.add("environment-name", Warning, line, "the platform itself sets "+name, "use another name")
	}
	for _, name := range keys {
		// The value is a secret, and is not shown.
		l.add("environment-key", Warning, line, "the variable "+name+" holds the ID of an access key", "give the function a role, whose credentials the platform passes in")
	}
}
