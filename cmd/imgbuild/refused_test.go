package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// refusing is a registry with one user that refuses some requests.
type refusing struct {
	testtool.Sink
	on            string // the beginning of METHOD PATH of what it refuses
	status        int
	code, message string
}

func (f *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "user" || password != "s3cret-password" {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.on == "" || !strings.HasPrefix(r.Method+" "+r.URL.Path, f.on) {
		f.Sink.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, f.code, f.message)
}

// TestRefused: what the command says about registries that do not let it push:
// what is wrong, where, and what to do; nothing of a password.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	l, err := layout.Write(filepath.Join(dir, "image"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "1.27"})); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		password string // "": no credentials
		refusing *refusing
		want     []string
	}{
		"no credentials":    {refusing: &refusing{}, want: []string{"wants credentials and the docker configuration has none for it; run `docker login HOST`"}},
		"wrong credentials": {password: "wr0ng-password", refusing: &refusing{}, want: []string{"HOST does not accept the credentials; run `docker login HOST` again"}},
		"no permission": {
			password: "s3cret-password", refusing: &refusing{on: "POST ", status: 403, code: "DENIED", message: "requested access to the resource is denied"},
			want: []string{"this user may not push to base/golang; ask for push permission on it", "requested access to the resource is denied"},
		},
		"no namespace": {
			password: "s3cret-password", refusing: &refusing{on: "POST ", status: 404, code: "NAME_UNKNOWN", message: "namespace base not found"},
			want: []string{"there is no namespace base", "create it in the console of HOST, or check --namespace and --registry for a typo"},
		},
		"immutable on the server": {
			password: "s3cret-password", refusing: &refusing{on: "PUT /v2/base/golang/manifests/1.27", status: 403, code: "DENIED", message: "The requested tag already exists and cannot be overwritten."},
			want: []string{"immutable tags", "moving tag 1.27", "with --immutable all the push leaves such tags", "cannot be overwritten"},
		},
		"no room": {
			password: "s3cret-password", refusing: &refusing{on: "POST ", status: 403, code: "DENIED", message: "storage quota exceeded"},
			want: []string{"no room left"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tc.refusing)
			defer s.Close()
			host := s.Listener.Addr().String()
			cmd, stdout, stderr := command(t, dir, "copy", "image:1.27", host+"/base/golang")
			config := t.TempDir()
			if tc.password != "" {
				auth := base64.StdEncoding.EncodeToString([]byte("user:" + tc.password))
				if err := os.WriteFile(filepath.Join(config, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, auth), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd.Env = append(cmd.Env, "DOCKER_CONFIG="+config)
			err := cmd.Run()
			if err == nil || cmd.ProcessState.ExitCode() != exitFailed || stdout.Len() > 0 {
				t.Errorf("%v, standard output %q", err, stdout)
			}
			for _, want := range append(tc.want, "pushing HOST/base/golang") {
				if want = strings.ReplaceAll(want, "HOST", host); !strings.Contains(stderr.String(), want) {
					t.Errorf("standard error lacks %q: %s", want, stderr)
				}
			}
			if strings.Contains(stderr.String(), "ssword") || strings.Contains(stderr.String(), base64.StdEncoding.EncodeToString([]byte("user:"))) {
				t.Errorf("a password is shown: %s", stderr)
			}
		})
	}
}
