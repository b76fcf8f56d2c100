package openapi

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const algorithm = "ACS3-HMAC-SHA256"

// sign makes the headers of a request with this body for the action of the
// API's version, and the signature over them ("Request syntax and signature
// method V3", the same for APIs of the RPC and of the ROA style).
func sign(req *http.Request, body []byte, k Key, action, version string, now time.Time) {
	content := sha256.Sum256(body)
	h := req.Header
	h.Set("X-Acs-Action", action)
	h.Set("X-Acs-Version", version)
	h.Set("X-Acs-Date", now.UTC().Format("2006-01-02T15:04:05Z"))
	h.Set("X-Acs-Signature-Nonce", rand.Text())
	h.Set("X-Acs-Content-Sha256", hex.EncodeToString(content[:]))
	if k.Token != "" {
		h.Set("X-Acs-Accesskey-Id", k.ID) // not in the text, but the vendor's own client sends it
		h.Set("X-Acs-Security-Token", k.Token)
	}
	h.Set("Authorization", authorization(req, k))
}

// authorization signs the request's method, path, query, host, content type
// and x-acs- headers.
func authorization(req *http.Request, k Key) string {
	headers := map[string]string{"host": req.URL.Host}
	for name, values := range req.Header {
		name = strings.ToLower(name)
		if name == "content-type" || strings.HasPrefix(name, "x-acs-") {
			headers[name] = strings.TrimSpace(values[0])
		}
	}
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	path := req.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var c strings.Builder
	c.WriteString(req.Method + "\n" + path + "\n" + canonicalQuery(req.URL.Query()) + "\n")
	for _, name := range names {
		c.WriteString(name + ":" + headers[name] + "\n")
	}
	signed := strings.Join(names, ";")
	c.WriteString("\n" + signed + "\n" + req.Header.Get("X-Acs-Content-Sha256"))

	hashed := sha256.Sum256([]byte(c.String()))
	mac := hmac.New(sha256.New, []byte(k.Secret))
	mac.Write([]byte(algorithm + "\n" + hex.EncodeToString(hashed[:])))
	return algorithm + " Credential=" + k.ID + ",SignedHeaders=" + signed + ",Signature=" + hex.EncodeToString(mac.Sum(nil))
}

// canonicalQuery is the query in the order of its names, with everything but
// RFC 3986's unreserved characters escaped.
func canonicalQuery(q url.Values) string {
	// Encode differs in the space only; a plus that was meant is %2B already.
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}
