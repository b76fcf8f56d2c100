package mirror

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// Redact returns a URL that may be shown: without user, password and query,
// any of which can be a token. What is not a URL at all loses everything
// before its last @.
func Redact(raw string) string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Opaque != "" {
		if i := strings.LastIndexByte(raw, '@'); i >= 0 {
			return "…@" + raw[i+1:]
		}
		if err != nil || u.Scheme == "" {
			return raw
		}
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	return u.String()
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
