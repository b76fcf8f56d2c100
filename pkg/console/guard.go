package console

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// local says whether a request's host is this machine, and the function that it
// names: NAME.localhost (RFC 6761, 6.3), "" for none.
func local(hostport string) (name string, ok bool) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" {
		return "", true
	}
	if name, ok := strings.CutSuffix(host, ".localhost"); ok {
		return name, true
	}
	a, err := netip.ParseAddr(host)
	return "", err == nil && a.IsLoopback()
}

// own refuses calls that another site's page has made: they would run functions
// with what this machine knows.
func own(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			if err != nil || u.Host != r.Host {
				forbid(w)
				return
			}
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			forbid(w)
			return
		}
		next(w, r)
	}
}

func forbid(w http.ResponseWriter) {
	http.Error(w, "another site's page may not call functions here", http.StatusForbidden)
}

// foreign says whether another site's page has made a request to a trigger, as
// browsers tell (W3C, Fetch Metadata). A link that leads here is none, nor is a
// page that another port of this machine serves.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site":
		link := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Method == http.MethodGet
		return !link
	case "": // a WebSocket's handshake has an Origin alone, as have old browsers
		origin := r.Header.Get("Origin")
		if origin == "" {
			return false
		}
		u, err := url.Parse(origin)
		if err != nil {
			return true
		}
		_, here := local(u.Host)
		return !here
	}
	return false
}
