package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// TestLargeCopy: an image with a layer of 3 GiB is copied from one registry to
// another in less than 100 MB of memory.
func TestLargeCopy(t *testing.T) {
	testtool.Whole(t)
	const size, most = 3 << 30, 100e6
	digest, _, err := v1.SHA256(testtool.Noise(2, size))
	if err != nil {
		t.Fatal(err)
	}
	config := []byte(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["` + digest.String() + `"]}}`)
	configDigest, _, _ := v1.SHA256(bytes.NewReader(config))
	const oci = "application/vnd.oci.image."
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"size":%d,"digest":%q},"layers":[{"mediaType":%q,"size":%d,"digest":%q}]}`,
		oci+"manifest.v1+json", oci+"config.v1+json", len(config), configDigest, oci+"layer.v1.tar", int64(size), digest)
	from := &testtool.Sink{Blobs: map[string]func() (io.Reader, int64){
		digest.String():       func() (io.Reader, int64) { return testtool.Noise(2, size), size },
		configDigest.String(): func() (io.Reader, int64) { return bytes.NewReader(config), int64(len(config)) },
	}}
	to := &testtool.Sink{}
	source, sink := httptest.NewServer(from), httptest.NewServer(to)
	defer source.Close()
	defer sink.Close()
	rq, err := http.NewRequest(http.MethodPut, source.URL+"/v2/base/large/manifests/1", bytes.NewReader([]byte(manifest)))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Content-Type", oci+"manifest.v1+json")
	if res, err := source.Client().Do(rq); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatal(res, err)
	}

	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, _, stderr := command(t, dir, "copy", source.Listener.Addr().String()+"/base/large:1", sink.Listener.Addr().String()+"/base/large")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var peak int64
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(20 * time.Millisecond):
			if n, err := testtool.PeakMemory(strconv.Itoa(cmd.Process.Pid)); err == nil {
				peak = max(peak, n)
			}
		}
	}
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if got, ok := to.Has(digest.String()); !ok || got != size {
		t.Errorf("%d bytes of the layer arrived", got)
	}
	if n := to.Received(); n != size+int64(len(config)) {
		t.Errorf("%d bytes were sent", n)
	}
	if peak > most || peak < 5e6 {
		t.Errorf("%d bytes of memory at most; want less than %d", peak, int64(most))
	}
	t.Logf("3 GiB copied in %.1f MB of memory", float64(peak)/1e6)
}
