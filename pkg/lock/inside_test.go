package lock

import (
	"testing"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// The locks inside imgbuild are read without a check, because of this one.
func TestLocksInsideAreRight(t *testing.T) {
	for _, name := range images.Names() {
		d, err := definition.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := d.ReadLock()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(d.LockPath(), data); err != nil {
			t.Error(err)
		}
	}
}
