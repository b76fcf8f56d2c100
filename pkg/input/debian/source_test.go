package debian

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func secondsOf(n uint32) time.Duration { return time.Duration(n) * time.Second }

// rottenSource flips a bit of each blob after it has been stored.
type rottenSource struct {
	*mirrorInMemory
	t testing.TB
}

func (s *rottenSource) Fetch(ctx context.Context, in lock.Input) (v1.Hash, error) {
	h, err := s.mirrorInMemory.Fetch(ctx, in)
	if err != nil {
		return h, err
	}
	p := s.st.Path(h)
	b := []byte(readFile(s.t, p))
	b[len(b)-1] ^= 1
	if err := errors.Join(os.Chmod(p, 0o644), os.WriteFile(p, b, 0o644)); err != nil {
		return h, err
	}
	return h, nil
}
