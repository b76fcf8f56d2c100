package acr

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// region is a registry and its token service, which take the newest login of
// the cloud only. Every few requests both the token and the login end.
type region struct {
	cloud    *cloud
	registry http.Handler

	mu     sync.Mutex
	token  string
	served int
	log    []string // requests that were let in
}

func (g *region) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.HasPrefix(r.Host, "dockerauth.") {
		user, password, _ := r.BasicAuth()
		if g.cloud.newest() == "" || user != "cr_temp_user" || password != g.cloud.newest() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		g.token = rand.Text()
		json.NewEncoder(w).Encode(map[string]any{"token": g.token, "expires_in": 300})
		return
	}
	if g.served++; g.served%4 == 0 {
		g.token = ""
		g.cloud.revoke()
	}
	if g.token == "" || r.Header.Get("Authorization") != "Bearer "+g.token {
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://dockerauth.cn-hangzhou.aliyuncs.com/auth",service="registry.aliyuncs.com:cn-hangzhou:26842"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	g.log = append(g.log, r.Method+" "+r.URL.Path)
	g.registry.ServeHTTP(w, r)
}

func (c *cloud) newest() string {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	if c.Logins == 0 {
		return ""
	}
	return fmt.Sprint("login-s3cret-", c.Logins)
}

func (c *cloud) revoke() {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Logins++
}

// TestPush: from an access key to a tag in the registry, with logins that end
// in the middle, and nothing of them on the disk.
func TestPush(t *testing.T) {
	for _, host := range []string{"registry.cn-hangzhou.aliyuncs.com", "crpi-0a1b2c3d.cn-hangzhou.personal.cr.aliyuncs.com", "my-team-registry.cn-hangzhou.cr.aliyuncs.com"} {
		t.Run(host, func(t *testing.T) {
			c := newCloud(t)
			c.Instances = []string{"my-team"}
			s := source(t, c.transport, withKey())
			g := &region{cloud: c, registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
			p, err := push.New(push.WithLogins(s), push.WithTransport(openapitest.Anywhere(t, g)), push.WithSlots(1), push.WithKeychain(authn.NewMultiKeychain()))
			if err != nil {
				t.Fatal(err)
			}
			at, err := address.Parse(host + "/base")
			if err != nil {
				t.Fatal(err)
			}
			repo, err := at.Repository("golang")
			if err != nil {
				t.Fatal(err)
			}
			img, err := random.Image(100<<10, 4)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Push(t.Context(), push.Request{Image: img, Repository: repo, Tags: []string{"1"}}); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(g.log, "PUT /v2/base/golang/manifests/1") {
				t.Errorf("the tag was not moved: %q", g.log)
			}
			n := 0
			for _, a := range c.Asked {
				if strings.HasSuffix(a, "GetAuthorizationToken") {
					n++
				}
			}
			if n < 3 {
				t.Errorf("%d logins were got; want some more: %q", n, c.Asked)
			}
			if found, err := os.ReadDir(os.Getenv("HOME")); err != nil || len(found) != 0 {
				t.Errorf("the home has %v, %v; want nothing", found, err)
			}
		})
	}
}

// TestPushRefused: what somebody reads whose push has no credentials, or the
// wrong ones.
func TestPushRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"none":  {nil, []string{"run `docker login registry.cn-hangzhou.aliyuncs.com`, or give Alibaba Cloud credentials", "ALIBABA_CLOUD_OIDC_TOKEN_FILE", "aliyun configure", "RAM role"}},
		"wrong": {map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wr0ng-s3cret"}, []string{"the access key's secret is wrong"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			g := &region{cloud: c, registry: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
			p, err := push.New(push.WithLogins(source(t, c.transport, tc.env)), push.WithTransport(openapitest.Anywhere(t, g)), push.WithKeychain(authn.NewMultiKeychain()))
			if err != nil {
				t.Fatal(err)
			}
			img, err := random.Image(100, 1)
			if err != nil {
				t.Fatal(err)
			}
			repo := address.Repository{Host: "registry.cn-hangzhou.aliyuncs.com", Path: "base/golang"}
			_, err = p.Push(t.Context(), push.Request{Image: img, Repository: repo, Tags: []string{"1"}})
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), testID)) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
