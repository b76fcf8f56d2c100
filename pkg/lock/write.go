package lock

import (
	"fmt"

	"github.com/imgbuild/imgbuild/pkg/atomicfile"
)

// WriteFile checks the lock and writes it to path in one step: whoever reads
// path sees the old lock or the new one, whole.
func (l *Lock) WriteFile(path string) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	data, err := l.Marshal()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, data); err != nil {
		return fmt.Errorf("writing the lock: %w", err)
	}
	return nil
}
