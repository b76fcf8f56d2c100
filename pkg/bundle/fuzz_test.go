package bundle

import (
	"os"
	"testing"
)

// FuzzManifest: any manifest is refused, or lists inputs that can be asked for.
func FuzzManifest(f *testing.F) {
	b, err := os.ReadFile("testdata/manifest.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"annotations":{"io.github.imgbuild.bundle":"1"},"layers":[{}]}`))
	f.Add([]byte(`{"layers":[{"digest":"sha256:"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b)
		if err != nil {
			return
		}
		if c.folder.Size > maxFolder || c.folder.Digest.Algorithm != "sha256" {
			t.Errorf("the folder is %+v", c.folder)
		}
		for h, d := range c.inputs {
			if h != d.Digest || h.Algorithm != "sha256" || d.Size <= 0 || d.Size > maxInput || len(d.URLs) > 0 {
				t.Errorf("%s is %+v", h, d)
			}
		}
	})
}
