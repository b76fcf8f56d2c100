package prove

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
)

// recordKind is the kind of the store's records: key → Proof.
const recordKind = "proof"

//go:embed *.go
var own embed.FS

// suiteHash stands for all rules.
var suiteHash = sync.OnceValue(func() string {
	h := sha256.New()
	fmt.Fprintln(h, conformance.SourceHash())
	names, err := fs.Glob(own, "*.go")
	if err != nil {
		panic("listing the embedded rules: " + err.Error()) // memory does not fail
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := own.ReadFile(name)
		if err != nil {
			panic("reading the embedded rules: " + err.Error())
		}
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
})

// keyOf stands for what a proof depends on: the image's configuration, which
// names its layers, the rules, and what containers may do.
func keyOf(img v1.Image) (string, error) {
	config, err := img.ConfigName()
	if err != nil {
		return "", fmt.Errorf("reading the image's configuration: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "proof 1\nconfig %s\nsuite %s\nprivileged %t\n", config, suiteHash(), container.Privileged())
	return hex.EncodeToString(h.Sum(nil)), nil
}
