package image

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// maxManifest limits manifests, indexes and configs in bytes. The distribution
// specification lets registries refuse manifests over 4 MiB.
const maxManifest = 8 << 20

// guarded is a transport that speaks plain HTTP with this machine only: the
// library would also try it with private addresses, and follow a redirect to
// it. It also keeps a registry from answering with an endless manifest.
type guarded struct{ next http.RoundTripper }

func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !address.Loopback(req.URL.Host) {
		return nil, fmt.Errorf("%s is asked for over plain HTTP, which is spoken on loopback only: "+
			"give the registry a certificate", req.URL.Host)
	}
	resp, err := g.next.RoundTrip(req)
	if err == nil && strings.Contains(req.URL.Path, "/manifests/") {
		resp.Body = &limited{ReadCloser: resp.Body, left: maxManifest, err: errManifestTooBig}
	}
	return resp, err
}

var errManifestTooBig = errors.New("the manifest is larger than 8 MiB")

// limited fails with err where more than left bytes come.
type limited struct {
	io.ReadCloser
	left int64
	err  error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, l.err
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return n - 1, l.err
	}
	return n, err
}
