package audit

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
	"go.yaml.in/yaml/v3"
)

// knownYAML is the table of scripts that someone has read.
//
//go:embed known.yaml
var knownYAML []byte

// known is one entry of the table.
type known struct {
	Package string `yaml:"package"`
	Script  string `yaml:"script"`
	// SHA256 are the hashes of all texts that were read, of any architecture.
	SHA256 []string `yaml:"sha256"`
	// Data is the pattern of lines that hold data which changes with every
	// version, such as a list of names; the hash is that of the text without
	// them. It must not match what the shell would expand.
	Data   string `yaml:"data"`
	Effect string `yaml:"effect"`

	data *regexp.Regexp
}

type scriptName struct{ pkg, script string }

var table = sync.OnceValue(func() map[scriptName]known {
	m, err := parseKnown(knownYAML)
	if err != nil {
		panic("audit: known.yaml: " + err.Error()) // embedded; a test reads it
	}
	return m
})

// parseKnown reads the table strictly: each script once, each hash a hash.
func parseKnown(text []byte) (map[scriptName]known, error) {
	var list []known
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil {
		return nil, err
	}
	m := map[scriptName]known{}
	for _, k := range list {
		n := scriptName{k.Package, k.Script}
		if _, ok := m[n]; ok || k.Package == "" || k.Script == "" || k.Effect == "" || len(k.SHA256) == 0 {
			return nil, fmt.Errorf("%s %s: twice, or not whole", k.Package, k.Script)
		}
		if k.Data != "" {
			var err error
			if k.data, err = regexp.Compile(k.Data); err != nil {
				return nil, fmt.Errorf("%s %s: %w", k.Package, k.Script, err)
			}
		}
		for _, h := range k.SHA256 {
			if len(h) != 64 {
				return nil, fmt.Errorf("%s %s: %q is not a SHA-256", k.Package, k.Script, h)
			}
		}
		m[n] = k
	}
	return m, nil
}

// knownEffect returns the effect that stands for a script, if its very text is
// in the table.
func knownEffect(f rootfs.ControlFile) (string, bool) {
	k, ok := table()[scriptName{f.Package, f.Name}]
	if !ok || !slices.Contains(k.SHA256, hash(k.withoutData(f.Text))) {
		return "", false
	}
	return k.Effect, true
}

func (k known) withoutData(text []byte) []byte {
	if k.data == nil {
		return text
	}
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if !k.data.Match(bytes.TrimSuffix(line, []byte("\n"))) {
			b.Write(line)
		}
	}
	return b.Bytes()
}

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// isKnownPackage says whether some text of the script was read.
func isKnownPackage(pkg, script string) bool {
	_, ok := table()[scriptName{pkg, script}]
	return ok
}
