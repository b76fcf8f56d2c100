package image

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/stream"
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
		resp.Body = struct {
			io.Reader
			io.Closer
		}{stream.Limit(resp.Body, maxManifest, errManifestTooBig), resp.Body}
	}
	return resp, err
}

var errManifestTooBig = errors.New("the manifest is larger than 8 MiB")
