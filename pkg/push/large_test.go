package push_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// largeEnv is "HOST DIGEST SIZE" for the pusher of TestLargeLayer.
const largeEnv = "PUSH_TEST_LARGE"

// generated is a layer that is nowhere: noise of a size.
type generated struct {
	digest v1.Hash
	size   int64
}

func (g generated) Digest() (v1.Hash, error)             { return g.digest, nil }
func (g generated) DiffID() (v1.Hash, error)             { return g.digest, nil }
func (g generated) Size() (int64, error)                 { return g.size, nil }
func (g generated) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (g generated) Uncompressed() (io.ReadCloser, error) { return g.Compressed() }
func (g generated) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(testtool.Noise(1, g.size)), nil
}

// largeChild pushes the layer and prints the most memory that it had.
func largeChild(args string) error {
	words := strings.Fields(args)
	digest, err := v1.NewHash(words[1])
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), generated{digest, size})
	if err != nil {
		return err
	}
	p, err := push.New()
	if err != nil {
		return err
	}
	if _, err := p.Push(context.Background(), push.Request{Image: img, Repository: address.Repository{Host: words[0], Path: "base/large"}, Tags: []string{"1"}}); err != nil {
		return err
	}
	peak, err := testtool.PeakMemory("self")
	fmt.Println(peak)
	return err
}

// TestLargeLayer: a layer of 3 GiB goes through less than 100 MB of memory.
func TestLargeLayer(t *testing.T) {
	testtool.Whole(t)
	const size, most = 3 << 30, 100e6
	digest, _, err := v1.SHA256(testtool.Noise(1, size))
	if err != nil {
		t.Fatal(err)
	}
	sink := &testtool.Sink{}
	s := httptest.NewServer(sink)
	defer s.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", largeEnv, s.Listener.Addr(), digest, int64(size)))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got, ok := sink.Has(digest.String()); !ok || got != size {
		t.Errorf("%d bytes of the layer arrived", got)
	}
	peak, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || peak > most || peak < 5e6 {
		t.Errorf("%d bytes of memory at most, %v; want less than %d", peak, err, int64(most))
	}
	t.Logf("3 GiB in %.1f MB of memory", float64(peak)/1e6)
}
