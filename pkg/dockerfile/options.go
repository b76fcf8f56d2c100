package dockerfile

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/tonistiigi/fsutil"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
)

// maxDockerfile limits a Dockerfile in bytes; it is held in memory.
const maxDockerfile = 1 << 20

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLarge
	}
	return b, err
}

// storeName is what the builder knows imgbuild's store by.
const storeName = "imgbuild"

// options are what the builder is asked for.
func (w *work) options() (*client.SolveOpt, error) {
	o := &client.SolveOpt{
		FrontendAttrs: w.attrs(),
		LocalMounts:   map[string]fsutil.FS{},
		OCIStores:     map[string]content.Store{storeName: w.blobs},
		CacheImports:  w.CacheFrom,
		CacheExports:  w.CacheTo,
		Session:       []session.Attachable{buildkit.Credentials(w.Keychain)},
	}
	if err := w.folders(o); err != nil {
		return nil, err
	}
	if err := w.contexts(o); err != nil {
		return nil, err
	}
	if err := w.secrets(o); err != nil {
		return nil, err
	}
	for _, name := range w.Allow {
		if _, _, err := entitlements.Parse(name); err != nil {
			return nil, err
		}
		o.AllowedEntitlements = append(o.AllowedEntitlements, name)
	}
	if w.Network == "host" {
		o.AllowedEntitlements = append(o.AllowedEntitlements, string(entitlements.EntitlementNetworkHost))
	}
	w.exports(o)
	return o, nil
}

// attrs are the frontend's own options (BuildKit, frontend/dockerui, config.go).
func (w *work) attrs() map[string]string {
	a := map[string]string{"platform": strings.Join(w.Platforms, ",")}
	set := func(key, value string) {
		if value != "" {
			a[key] = value
		}
	}
	for k, v := range w.Args {
		a["build-arg:"+k] = v
	}
	for k, v := range w.Labels {
		a["label:"+k] = v
	}
	set("target", w.Target)
	set("force-network-mode", w.Network)
	if w.NoCache {
		a["no-cache"] = ""
	}
	if w.Pull {
		a["image-resolve-mode"] = "pull"
	}
	if _, given := w.Args["SOURCE_DATE_EPOCH"]; !given {
		set("build-arg:SOURCE_DATE_EPOCH", w.Epoch)
	}
	var hosts []string
	for _, h := range w.Hosts {
		host, ip, _ := strings.Cut(h, ":")
		hosts = append(hosts, host+"="+ip)
	}
	set("add-hosts", strings.Join(hosts, ","))
	return a
}

// ParseHost reads HOST:IP and HOST=IP.
func ParseHost(s string) (string, error) {
	i := strings.IndexAny(s, ":=")
	if i <= 0 {
		return "", fmt.Errorf("%q: write HOST:IP", s)
	}
	ip := strings.TrimSuffix(strings.TrimPrefix(s[i+1:], "["), "]")
	if net.ParseIP(ip) == nil {
		return "", fmt.Errorf("%q: %q is not an IP address; write HOST:IP", s, ip)
	}
	return s[:i] + ":" + ip, nil
}

// folders gives the builder the context and the Dockerfile.
func (w *work) folders(o *client.SolveOpt) error {
	if URL(w.Context) {
		o.FrontendAttrs["context"] = w.Context
		o.FrontendAttrs["filename"] = w.File
		if w.Dockerfile == nil {
			return nil
		}
		o.FrontendAttrs["dockerfilekey"] = "dockerfile"
	} else {
		context, err := fsutil.NewFS(w.Context)
		if err != nil {
			return fmt.Errorf("the context %s: %w", w.Context, err)
		}
		o.LocalMounts["context"] = context
		o.SharedKey = sharedKey(w.Context)
	}
	file, err := fsutil.NewFS(filepath.Dir(w.File))
	if err != nil {
		return fmt.Errorf("the folder of the Dockerfile: %w", err)
	}
	o.LocalMounts["dockerfile"] = file
	o.FrontendAttrs["filename"] = filepath.Base(w.File)
	return nil
}

// sharedKey makes the builder compare a folder with what it got from it before,
// and not with another folder's files.
func sharedKey(dir string) string {
	host, _ := os.Hostname()
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(host+"\x00"+dir)))
}

// exports says what comes out. No attestations: Function Compute refuses an index
// with entries that are for no platform.
func (w *work) exports(o *client.SolveOpt) {
	if w.Image {
		attrs := map[string]string{"tar": "false", "oci-mediatypes": "true", "compression": "gzip"}
		if w.Epoch != "" {
			attrs["rewrite-timestamp"] = "true"
		}
		o.Exports = append(o.Exports, client.ExportEntry{Type: client.ExporterOCI, Attrs: attrs, OutputStore: w.blobs})
	}
	for _, f := range w.Files {
		if f.Dir != "" {
			o.Exports = append(o.Exports, client.ExportEntry{Type: client.ExporterLocal, OutputDir: f.Dir})
			continue
		}
		o.Exports = append(o.Exports, client.ExportEntry{Type: client.ExporterTar, Output: toFile(f.Tar)})
	}
}

func toFile(f *os.File) filesync.FileOutputFunc {
	return func(map[string]string) (io.WriteCloser, error) { return keepOpen{f}, nil }
}

// keepOpen leaves the closing to whoever opened the file.
type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
