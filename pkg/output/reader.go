package output

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/progress"
)

// counted reports what is read to a step.
type counted struct {
	r    io.Reader
	step progress.Step
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.step.Add(int64(n))
	return n, err
}

// verifier compares the hash of what was read with the one that is wanted.
type verifier struct {
	r    io.Reader
	sum  hash.Hash
	want v1.Hash
}

func newVerifier(r io.Reader, want v1.Hash) *verifier {
	return &verifier{r: r, sum: sha256.New(), want: want}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	return n, err
}

func (v *verifier) check() error {
	if got := hex.EncodeToString(v.sum.Sum(nil)); v.want.Algorithm != "sha256" || got != v.want.Hex {
		return fmt.Errorf("the content of %s is sha256:%s", v.want, got)
	}
	return nil
}
