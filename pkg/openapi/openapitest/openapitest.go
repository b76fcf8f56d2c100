// Package openapitest has what tests of Alibaba Cloud's OpenAPIs share: an
// endpoint's own look at signatures, and machines without credentials. None of
// it ever met the cloud; it is written from the documentation.
package openapitest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An access key for tests.
const (
	ID     = "LTAI-test-id"
	Secret = "test-s3cret"
)

// Env are the variables that give the test's key.
func Env() map[string]string {
	return map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": Secret}
}

// Bare makes a machine without any credentials and returns its home.
func Bare(t testing.TB) string {
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			t.Setenv(name, "")
		}
	}
	return home
}

// Anywhere carries requests to any HTTPS host to the handler.
func Anywhere(t testing.TB, h http.Handler) *http.Transport {
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

// Verifier knows keys and verifies signatures with them. It is safe for
// concurrent use while its maps are not changed.
type Verifier struct {
	Secrets map[string]string // by ID of access key
	Tokens  map[string]string // security token by ID

	mu     sync.Mutex
	nonces map[string]bool
}

// NewVerifier returns one that knows the test's key.
func NewVerifier() *Verifier {
	return &Verifier{Secrets: map[string]string{ID: Secret}, Tokens: map[string]string{}, nonces: map[string]bool{}}
}

var authHeader = regexp.MustCompile(`^ACS3-HMAC-SHA256 Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]{64})$`)

// Check verifies a signature from what arrived, by the text of the
// documentation and not by the code under test. code is "" where it is good,
// else the platform's; canonical is what such an answer quotes.
func (v *Verifier) Check(r *http.Request, body []byte) (code, canonical string) {
	m := authHeader.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "IncompleteSignature", ""
	}
	secret, ok := v.Secrets[m[1]]
	if !ok {
		return "InvalidAccessKeyId.NotFound", ""
	}
	if token := v.Tokens[m[1]]; token != r.Header.Get("X-Acs-Security-Token") {
		return "InvalidSecurityToken.MismatchWithAccessKey", ""
	}
	at, err := time.Parse("2006-01-02T15:04:05Z", r.Header.Get("X-Acs-Date"))
	if err != nil || time.Since(at).Abs() > 15*time.Minute {
		return "InvalidTimeStamp.Expired", ""
	}
	if !v.once(r.Header.Get("X-Acs-Signature-Nonce")) {
		return "SignatureNonceUsed", ""
	}
	names := strings.Split(m[2], ";")
	if !slices.IsSorted(names) {
		return "SignatureDoesNotMatch", "unsorted"
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if (strings.HasPrefix(name, "x-acs-") || name == "content-type") && !slices.Contains(names, name) {
			return "SignatureDoesNotMatch", "unsigned " + name
		}
	}
	if !slices.Contains(names, "host") {
		return "SignatureDoesNotMatch", "unsigned host"
	}
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

func (v *Verifier) once(nonce string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	used := v.nonces[nonce]
	v.nonces[nonce] = true
	return nonce != "" && !used
}

// Refuse answers as the cloud does; to a wrong signature with all that was
// signed.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"Code": code, "Message": message, "RequestId": "0A1B-2C3D", "HostId": "api.example.com"})
}
