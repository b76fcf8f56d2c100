package acr

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// No test here ran against the cloud: this is a stand-in for the API of
// Container Registry, written from its documentation, and it checks every
// signature by itself.
type cloud struct {
	mu        sync.Mutex
	secrets   map[string]string // by ID of access key
	tokens    map[string]string // security token by ID
	instances []string          // names, all in one region
	life      time.Duration
	asked     []string // "host action"
	nonces    map[string]bool
	logins    int
	fail      func(action string) (status int, body string)

	transport http.RoundTripper
}

const (
	testID     = "LTAI-test-id"
	testSecret = "test-s3cret"
)

func newCloud(t *testing.T) *cloud {
	c := &cloud{secrets: map[string]string{testID: testSecret}, tokens: map[string]string{}, life: time.Hour, nonces: map[string]bool{}}
	c.transport = dialTo(t, c)
	return c
}

// dialTo carries requests to any HTTPS host to the handler.
func dialTo(t *testing.T, h http.Handler) *http.Transport {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	tr := &http.Transport{
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
			return d.DialContext(ctx, network, s.Listener.Addr().String())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	action := r.Header.Get("X-Acs-Action")
	c.asked = append(c.asked, r.Host+" "+action)
	if c.fail != nil {
		if status, body := c.fail(action); status != 0 {
			w.WriteHeader(status)
			io.WriteString(w, body)
			return
		}
	}
	if code, canonical := c.check(r); code != "" {
		// As the cloud does, with all that was signed.
		apiError(w, http.StatusBadRequest, code, "Specified signature is not matched with our calculation. server's CanonicalRequest is "+canonical)
		return
	}
	expires := time.Now().Add(c.life).UnixMilli()
	q := r.URL.Query()
	switch version := r.Header.Get("X-Acs-Version"); {
	case version == "2016-06-07" && r.Method == "GET" && r.URL.Path == "/tokens":
		c.logins++
		fmt.Fprintf(w, `{"data":{"tempUserName":"cr_temp_user","authorizationToken":"login-s3cret-%d","expireDate":%d},"requestId":"R-1"}`, c.logins, expires)
	case version == "2018-12-01" && r.Method == "POST" && r.URL.Path == "/" && action == "ListInstance":
		page, _ := strconv.Atoi(q.Get("PageNo"))
		size, _ := strconv.Atoi(q.Get("PageSize"))
		var items []map[string]string
		for i := (page - 1) * size; i < min(page*size, len(c.instances)); i++ {
			items = append(items, map[string]string{"InstanceId": "cri-" + strconv.Itoa(i), "InstanceName": c.instances[i], "InstanceStatus": "RUNNING"})
		}
		json.NewEncoder(w).Encode(map[string]any{"IsSuccess": true, "Code": "success", "Instances": items, "TotalCount": len(c.instances), "PageNo": page})
	case version == "2018-12-01" && r.Method == "POST" && r.URL.Path == "/" && action == "GetAuthorizationToken" && strings.HasPrefix(q.Get("InstanceId"), "cri-"):
		c.logins++
		fmt.Fprintf(w, `{"IsSuccess":true,"Code":"success","TempUsername":"cr_temp_user","AuthorizationToken":"login-s3cret-%d","ExpireTime":%d,"RequestId":"R-2"}`, c.logins, expires)
	default:
		apiError(w, http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found")
	}
}

func apiError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"Code": code, "Message": message, "RequestId": "0A1B-2C3D", "HostId": "cr.example.com"})
}

var authHeader = regexp.MustCompile(`^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$`)

// check verifies a signature from what arrived, by the text of the
// documentation and not by the code under test.
func (c *cloud) check(r *http.Request) (code, canonical string) {
	m := authHeader.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "IncompleteSignature", ""
	}
	secret, ok := c.secrets[m[1]]
	if !ok {
		return "InvalidAccessKeyId.NotFound", ""
	}
	if token := c.tokens[m[1]]; token != r.Header.Get("X-Acs-Security-Token") {
		return "InvalidSecurityToken.MismatchWithAccessKey", ""
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", r.Header.Get("X-Acs-Date"))
	if err != nil || time.Since(at).Abs() > 15*time.Minute {
		return "InvalidTimeStamp.Expired", ""
	}
	nonce := r.Header.Get("X-Acs-Signature-Nonce")
	if nonce == "" || c.nonces[nonce] {
		return "SignatureNonceUsed", ""
	}
	c.nonces[nonce] = true
	names := strings.Split(m[2], ";")
	if !slices.IsSorted(names) {
		return "SignatureDoesNotMatch", "unsorted"
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-acs-") && !slices.Contains(names, name) {
			return "SignatureDoesNotMatch", "unsigned " + name
		}
	}
	body, _ := io.ReadAll(r.Body)
	hash := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	lines := []string{r.Method, r.URL.EscapedPath(), strings.Join(slices.Sorted(slices.Values(strings.Split(r.URL.RawQuery, "&"))), "&")}
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		lines = append(lines, name+":"+value)
	}
	lines = append(lines, "", m[2], hash(body))
	canonical = strings.Join(lines, "\n")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("ACS3-HMAC-SHA256\n" + hash([]byte(canonical))))
	if hex.EncodeToString(mac.Sum(nil)) != m[3] || hash(body) != r.Header.Get("X-Acs-Content-Sha256") {
		return "SignatureDoesNotMatch", canonical
	}
	return "", ""
}

// source is a Source on a machine that has only these variables.
func source(t *testing.T, tr http.RoundTripper, env map[string]string) *Source {
	s, err := New(WithTransport(tr))
	if err != nil {
		t.Fatal(err)
	}
	m := bare(t)
	for k, v := range env {
		t.Setenv(k, v) // the library reads the environment itself
	}
	s.wallet.machine = m
	return s
}

// bare is a machine without any credentials.
func bare(t *testing.T) machine {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			t.Setenv(name, "")
		}
	}
	return machine{getenv: os.Getenv, home: home, product: home + "/product_name"}
}

func withKey() map[string]string {
	return map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": testID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": testSecret}
}
