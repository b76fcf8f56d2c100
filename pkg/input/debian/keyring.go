package debian

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp"
)

//go:embed keyring/*.gpg
var keyFiles embed.FS

// keyring returns Debian's archive keys; keyring/README.md lists them.
var keyring = sync.OnceValues(func() (openpgp.EntityList, error) {
	var all openpgp.EntityList
	err := fs.WalkDir(keyFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := keyFiles.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		keys, err := openpgp.ReadKeyRing(f)
		if err != nil {
			return fmt.Errorf("reading the embedded %s: %w", path, err)
		}
		all = append(all, keys...)
		return nil
	})
	return all, err
})

// Keyrings are Debian's archive keys as files, as they verify archives.
func Keyrings() fs.FS {
	sub, err := fs.Sub(keyFiles, "keyring")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}
