package push

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Error is a registry's answer that was not the wanted one. It never holds
// what a URL's query or a header carries, for those may be secrets.
type Error struct {
	Method, URL string
	Status      int
	Details     []Detail // as the registry gives them; may be empty
	RetryAfter  time.Duration

	challenges []challenge
	plain      string // a body that is not the specification's JSON
	bare       bool   // nothing in the answer is a registry's
}

// Detail is one error of an answer (OCI distribution specification, "Error
// Codes").
type Detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func newError(method string, u *url.URL, res *http.Response, body []byte) *Error {
	e := &Error{Method: method, URL: plainURL(u), Status: res.StatusCode, RetryAfter: retryAfter(res, time.Now())}
	var doc struct {
		Errors []Detail `json:"errors"`
	}
	if json.Unmarshal(body, &doc) == nil && len(doc.Errors) > 0 {
		e.Details = doc.Errors[:min(3, len(doc.Errors))]
	} else if t := res.Header.Get("Content-Type"); t == "" || strings.HasPrefix(t, "text/plain") {
		e.plain = cut(string(body))
	}
	e.bare = len(body) == 0 && res.Header.Get("Docker-Distribution-Api-Version") == ""
	if res.StatusCode == http.StatusUnauthorized {
		e.challenges = parseChallenges(res.Header.Values("WWW-Authenticate"))
	}
	return e
}

func (e *Error) Error() string {
	said := e.said()
	if said != "" {
		said = ": " + said
	}
	return fmt.Sprintf("%s %s: the registry answers %d %s%s", e.Method, e.URL, e.Status, http.StatusText(e.Status), said)
}

// said is the registry's own words.
func (e *Error) said() string {
	var parts []string
	for _, d := range e.Details {
		s := d.Message
		if s == "" {
			s = strings.ToLower(d.Code)
		}
		parts = append(parts, cut(s))
	}
	if len(parts) == 0 && e.plain != "" {
		return e.plain
	}
	return strings.Join(parts, "; ")
}

// is says that one of the details has one of the codes.
func (e *Error) is(codes ...string) bool {
	return slices.ContainsFunc(e.Details, func(d Detail) bool { return slices.Contains(codes, strings.ToUpper(d.Code)) })
}

func (e *Error) temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusRequestedRangeNotSatisfiable:
		return true // the upload is begun anew
	}
	// An upload that the registry forgot or that was damaged on its way is
	// begun anew.
	return e.is("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "TOOMANYREQUESTS", "UNAVAILABLE")
}

// immutableTag says that the registry itself lets no tag be moved. Each has
// words of its own: Container Registry's are in its documentation ("Enable
// image version immutability"): The requested tag already exists and cannot be
// overwritten.
func (e *Error) immutableTag() bool {
	said := strings.ToLower(e.said())
	return e.is("TAG_IMMUTABLE") || strings.Contains(said, "immutab") ||
		strings.Contains(said, "tag") && (strings.Contains(said, "overwrit") || strings.Contains(said, "already exist"))
}

// invalidToken says that the token was not taken, "expired, revoked,
// malformed, or invalid for other reasons" (RFC 6750, 3.1).
func (e *Error) invalidToken() bool {
	return slices.ContainsFunc(e.challenges, func(c challenge) bool { return c.params["error"] == "invalid_token" })
}

// tlsWanted recognizes how HTTPS servers answer plain HTTP, Go's own and nginx:
// a 400 that says so, or, to a HEAD, a 400 that says nothing.
func (e *Error) tlsWanted() bool {
	return e.Status == http.StatusBadRequest &&
		(e.bare || strings.Contains(e.plain, "HTTP request") && strings.Contains(e.plain, "HTTPS"))
}

// unreachableError is a request that got no answer.
type unreachableError struct {
	where string
	err   error
	met   bool // the registry has answered before
}

func (e *unreachableError) Error() string { return fmt.Sprintf("asking %s: %v", e.where, e.err) }
func (e *unreachableError) Unwrap() error { return e.err }

// credentialsError is a failure to get or use credentials.
type credentialsError struct {
	why string
	err error
}

func (e *credentialsError) Error() string { return e.why }
func (e *credentialsError) Unwrap() error { return e.err }

// retryAfter reads the header as seconds or as a date (RFC 9110, 10.2.3), which
// is by the registry's clock.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	v := strings.TrimSpace(res.Header.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if d, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		now = d
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// plainURL is u without user and query, which may hold secrets.
func plainURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// cut makes what a registry sent fit to be shown: one line, not long, nothing
// that moves the cursor.
func cut(s string) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}
