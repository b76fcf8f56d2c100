package openapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

const (
	akProfile    = `{"current":"prod","profiles":[{"name":"prod","mode":"AK","access_key_id":"LTAI-test-id","access_key_secret":"test-s3cret"},{"name":"empty","mode":"AK"},{"name":"run","mode":"External","process_command":"show-s3cret"}]}`
	akFile       = "[default]\ntype = access_key\naccess_key_id = LTAI-test-id\naccess_key_secret = test-s3cret\n"
	ecsFirmware  = "Alibaba Cloud ECS\n"
	otherMachine = "KVM\n"
)

// TestFind: which origin there is a sign of, and that its key works.
func TestFind(t *testing.T) {
	for name, tc := range map[string]struct {
		env   map[string]string
		files map[string]string // below the home
		want  string            // in the origin's name, or in the error
		works bool
	}{
		"nothing":             {files: map[string]string{"product_name": otherMachine}},
		"environment":         {env: openapitest.Env(), files: map[string]string{".aliyun/config.json": akProfile}, want: "the environment", works: true},
		"half a key":          {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": openapitest.ID}, want: "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"},
		"aliyun":              {files: map[string]string{".aliyun/config.json": akProfile}, want: "the profile prod in ", works: true},
		"another profile":     {env: map[string]string{"ALIBABA_CLOUD_PROFILE": "dev"}, files: map[string]string{".aliyun/config.json": akProfile}, want: `there is no profile "dev"`},
		"profile in the file": {env: map[string]string{"ALIBABA_CLOUD_PROFILE": "dev"}, files: map[string]string{".aliyun/config.json": akProfile, ".alibabacloud/credentials": strings.Replace(akFile, "default", "dev", 1)}, want: "credentials", works: true},
		"profile with a role": {env: map[string]string{"ALIBABA_CLOUD_PROFILE": "run"}, files: map[string]string{".aliyun/config.json": akProfile}, want: "runs a command"},
		"not filled in":       {env: map[string]string{"ALIBABA_CLOUD_PROFILE": "empty"}, files: map[string]string{".aliyun/config.json": akProfile}},
		"aliyun is off":       {env: map[string]string{"ALIBABA_CLOUD_CLI_PROFILE_DISABLED": "true"}, files: map[string]string{".aliyun/config.json": akProfile}},
		"not JSON":            {files: map[string]string{".aliyun/config.json": "access_key_secret=test-s3cret"}, want: "aliyun configure"},
		"no such file":        {env: map[string]string{"ALIBABA_CLOUD_CONFIG_FILE": "/nowhere/config.json"}, want: "/nowhere/config.json: no such file"},
		"file":                {files: map[string]string{".alibabacloud/credentials": akFile}, want: "credentials", works: true},
		"half a role, inline": {env: map[string]string{"ALIBABA_CLOUD_OIDC_TOKEN": "tok3n", "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r"}, want: "ALIBABA_CLOUD_OIDC_PROVIDER_ARN is not set"},
		"a role, inline":      {env: map[string]string{"ALIBABA_CLOUD_OIDC_TOKEN": "tok3n", "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ci"}, want: "the OIDC role"},
		"half a role":         {env: map[string]string{"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "/token", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ci"}, want: "ALIBABA_CLOUD_ROLE_ARN is not set"},
		"ECS by its firmware": {files: map[string]string{"product_name": ecsFirmware}, want: "RAM role of this ECS"},
		"ECS by name":         {env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA": "pusher"}, want: "RAM role of this ECS"},
		"ECS is off":          {env: map[string]string{"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}, files: map[string]string{"product_name": ecsFirmware}},
		"address":             {env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "http://127.0.0.1:1/"}, want: "ALIBABA_CLOUD_CREDENTIALS_URI"},
	} {
		t.Run(name, func(t *testing.T) {
			w := bare(t)
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			for path, text := range tc.files {
				path = filepath.Join(w.machine.home, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o, err := w.machine.find()
			got := fmt.Sprint(err)
			if o != nil {
				got = o.name
			}
			if tc.want == "" && (o != nil || err != nil) || !strings.Contains(got, tc.want) {
				t.Errorf("%s; want %q", got, tc.want)
			}
			if strings.Contains(got, "s3cret") {
				t.Errorf("it shows a secret: %s", got)
			}
			if tc.works {
				k, _, err := w.Key(t.Context())
				if err != nil || *k != (Key{ID: openapitest.ID, Secret: openapitest.Secret}) {
					t.Errorf("key %v, error %v", k, err)
				}
			}
		})
	}
}

// bare is the wallet of a machine without any credentials.
func bare(t *testing.T) *Wallet {
	home := openapitest.Bare(t)
	return &Wallet{machine: machine{getenv: os.Getenv, home: home, product: home + "/product_name"}}
}

// through has the library's own requests, whose hosts are fixed, arrive at h.
func through(t *testing.T, h http.HandlerFunc) {
	tr := openapitest.Anywhere(t, h)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	tr.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "https" {
			return nil, nil
		}
		return u, nil
	}
	old := http.DefaultTransport
	http.DefaultTransport = tr
	t.Cleanup(func() { http.DefaultTransport = old })
}

// TestOIDC: a pipeline's token is exchanged for a temporary key, and anew when
// the token in the file is another.
func TestOIDC(t *testing.T) {
	var reply func(w http.ResponseWriter)
	var form url.Values
	through(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.Form
		if r.Host != "sts.aliyuncs.com" || r.TLS == nil {
			t.Errorf("%s is asked", r.Host)
		}
		reply(w)
	})
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("oidc-tok3n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"ALIBABA_CLOUD_ROLE_ARN":          "acs:ram::1:role/pusher",
		"ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/ci",
		"ALIBABA_CLOUD_OIDC_TOKEN_FILE":   file,
	}
	w := bare(t)
	for k, v := range env {
		t.Setenv(k, v)
	}
	reply = func(w http.ResponseWriter) {
		openapitest.Refuse(w, 400, "AuthenticationFail.OIDCToken.Expired", "This JWT has expired: oidc-tok3n")
	}
	_, _, err := w.Key(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the OIDC token has expired; have the pipeline make a new one") || strings.Contains(err.Error(), "tok3n") {
		t.Errorf("error %v", err)
	}

	reply = func(w http.ResponseWriter) {
		json.NewEncoder(w).Encode(map[string]any{"Credentials": map[string]string{"AccessKeyId": "STS.id", "AccessKeySecret": "sts-s3cret", "SecurityToken": "security-tok3n",
			"Expiration": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z")}})
	}
	k, from, err := w.Key(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if *k != (Key{"STS.id", "sts-s3cret", "security-tok3n"}) || !strings.Contains(from, "the OIDC role") {
		t.Errorf("another key, from %q", from)
	}
	if form.Get("Action") != "AssumeRoleWithOIDC" || form.Get("OIDCToken") != "oidc-tok3n" || form.Get("RoleArn") != "acs:ram::1:role/pusher" || form.Get("RoleSessionName") != "imgbuild" {
		t.Errorf("asked with %v", form)
	}

	os.Remove(file)
	w = bare(t)
	for k, v := range env {
		t.Setenv(k, v)
	}
	if _, _, err := w.Key(t.Context()); err == nil || !strings.Contains(err.Error(), "open "+file+": no such file") {
		t.Errorf("error %v", err)
	}
}

// TestInstanceRole: the metadata service is asked where this is an ECS
// instance, and nowhere else.
func TestInstanceRole(t *testing.T) {
	var asked []string
	role := "pusher"
	through(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host+r.URL.Path)
		switch path := strings.TrimPrefix(r.URL.Path, "/latest/"); {
		case r.Method == "PUT" && path == "api/token":
			io.WriteString(w, "metadata-token")
		case len(asked) == 2 && r.Header.Get("X-Aliyun-Ecs-Metadata-Token") != "metadata-token":
			w.WriteHeader(http.StatusForbidden)
		case path == "meta-data/ram/security-credentials/" && role != "":
			io.WriteString(w, role)
		case path == "meta-data/ram/security-credentials/pusher" && role == "pusher":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"STS.ecs","AccessKeySecret":"sts-s3cret","SecurityToken":"security-tok3n","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z"))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	key := func(firmware string, env map[string]string) (string, error) {
		t.Helper()
		asked = nil
		w := bare(t)
		for k, v := range env {
			t.Setenv(k, v)
		}
		if err := os.WriteFile(w.machine.product, []byte(firmware), 0o600); err != nil {
			t.Fatal(err)
		}
		k, from, err := w.Key(t.Context())
		if k != nil && *k != (Key{"STS.ecs", "sts-s3cret", "security-tok3n"}) {
			t.Error("another key")
		}
		return from, err
	}
	if from, err := key(ecsFirmware, nil); err != nil || !strings.Contains(from, "the RAM role of this ECS instance") || !strings.HasPrefix(asked[0], "PUT 100.100.100.200/latest/api/token") {
		t.Errorf("a key from %q, error %v after %q", from, err, asked)
	}
	if from, err := key(otherMachine, nil); err != nil || from != "" || len(asked) != 0 {
		t.Errorf("on another machine: a key from %q, error %v after %q; want no request", from, err, asked)
	}
	if from, err := key(otherMachine, map[string]string{"ALIBABA_CLOUD_ECS_METADATA": "pusher"}); err != nil || from == "" {
		t.Errorf("a role that is named: a key from %q, error %v", from, err)
	}
	role = ""
	if from, err := key(otherMachine, map[string]string{"ALIBABA_CLOUD_ECS_METADATA": "pusher"}); err == nil || !strings.Contains(err.Error(), "the instance has no such role") {
		t.Errorf("a role that is not there: a key from %q, error %v", from, err)
	}
	if from, err := key(ecsFirmware, map[string]string{"ALIBABA_CLOUD_ECS_METADATA": ""}); err != nil || from != "" {
		t.Errorf("an instance without a role: a key from %q, error %v", from, err)
	}
}

// TestStopped: the library takes no context, and its call is not waited for.
func TestStopped(t *testing.T) {
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	w := bare(t)
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", server.URL)
	stop := errors.New("stopped by a test")
	took := time.Hour
	for try := 0; try < 5 && took > 3*time.Second; try++ { // a busy machine may be late itself
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
		if _, _, err := w.Key(ctx); !errors.Is(err, stop) {
			t.Errorf("error %v", err)
		}
		took = time.Since(start)
	}
	if took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestOriginReason: nothing of what the library quotes is shown.
func TestOriginReason(t *testing.T) {
	for in, want := range map[string]string{
		`get session token failed: {"Code":"EntityNotExist.Role","Message":"s3cret"}`:                                    "EntityNotExist.Role; check the ARN",
		`refresh session token failed: {"Message":"s3cret","Code":"InvalidAccessKeyId.NotFound"}`:                        "check the access key that the role is assumed with",
		`unmarshal aliyun cli config from 'x' failed: {"access_key_secret":"s3cret"}`:                                    "what is there is not complete",
		`refresh Ecs sts token err, httpStatus: 404, message = s3cret`:                                                   "no such role",
		`get role name failed: GET http://100.100.100.200/latest/meta-data/ram/security-credentials/ 500`:                "the metadata service answers 500",
		`get role name failed: Get "http://100.100.100.200/latest/meta-data/": dial tcp 100.100.100.200:80: i/o timeout`: "no answer (i/o timeout)",
		`CloudSSO access token is empty or expired, please re-login with cli`:                                            "aliyun configure --mode CloudSSO",
		`get credentials from GET http://127.0.0.1/s3cret failed: s3cret`:                                                "what is there is not complete",
	} {
		if got := originReason(errors.New(in)); !strings.Contains(got, want) || strings.Contains(got, "s3cret") {
			t.Errorf("%s\n  is told as %s; want %q", in, got, want)
		}
	}
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(akProfile), "")
	f.Add([]byte(akProfile), "empty")
	f.Add([]byte(`{"profiles":[null]}`), "x")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		p, err := parseProfile(data, name)
		if p != nil && (err != nil || name != "" && p.Name != name) {
			t.Errorf("profile %v, error %v for %q", p, err, name)
		}
	})
}
