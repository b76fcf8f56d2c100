package definition

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest is sha256:<hex> over what the definition says and the contents of the
// files it takes along. Comments, white space, the order of keys and the place
// of the file do not change it.
func (d *Definition) Digest() string {
	files := make(map[string]string, len(d.Files))
	for name, content := range d.Files {
		files[name] = digest(content)
	}
	var canonical bytes.Buffer
	enc := json.NewEncoder(&canonical)
	enc.SetEscapeHTML(false)
	// Maps come out with sorted keys and structs in the order of their fields.
	if err := enc.Encode(struct {
		Definition *Definition       `json:"definition"`
		Files      map[string]string `json:"files"`
	}{d, files}); err != nil {
		panic(fmt.Sprintf("definition: %v", err)) // strings, numbers, lists and maps always encode
	}
	return digest(canonical.Bytes())
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(h[:])
}
