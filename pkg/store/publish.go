package store

import (
	"errors"
	"os"
)

// publish gives f its mode and renames it to path, so that a reader finds the
// whole file or none.
//
// Nothing is synced to the disk. Whether a process dies makes no difference to
// what the kernel has been given, so a kill -9 loses nothing. Only a power cut
// can leave a renamed file empty or full of zeros, and the store is a cache
// that trusts no file: blobs are hashed as they are read, records carry their
// own hash, and either one damaged is fetched or made again. A sync per file
// would cost every user 5 to 30 ms a blob to spare a few the second download.
func publish(f *os.File, path string, mode os.FileMode) error {
	err := errors.Join(f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
