package buildkit

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/appdefaults"
)

// schemes are those of addresses, in the order in which messages list them.
var schemes = []string{"unix", "tcp", "docker-container", "podman-container", "kube-pod", "ssh", "docker"}

// Docker is the address of the BuildKit inside the dockerd that this machine's
// docker client is set up to talk to.
const Docker = "docker://"

// Address says where one builder is and how it is trusted.
type Address struct {
	// URL is SCHEME://… without the settings that are in the other fields.
	URL string
	// TLS is nil for a connection without it.
	TLS *TLS
}

// String is the address for people.
func (a Address) String() string { return a.URL }

// TLS has the files of a connection with TLS, and the name that the builder's
// certificate is for, where it is not the address's.
type TLS struct {
	CA, Cert, Key string // paths of PEM files
	ServerName    string
}

// tlsDir is the TLS whose files lie in dir under the names that buildctl's
// --tlsdir expects: ca.pem, cert.pem and key.pem. The last two may be absent.
func tlsDir(dir string) (*TLS, error) {
	t := &TLS{CA: filepath.Join(dir, "ca.pem")}
	if _, err := os.Stat(t.CA); err != nil {
		return nil, fmt.Errorf("the folder of TLS files needs ca.pem, and cert.pem and key.pem where the builder asks for them: %w", err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := os.Stat(cert); err == nil {
		t.Cert, t.Key = cert, key
	}
	return t, nil
}

// ParseAddress reads SCHEME://…. One with the scheme tcp may name its TLS files
// as ?cacert=PATH&cert=PATH&key=PATH&servername=NAME; dir is where they are
// otherwise, "" for no TLS.
func ParseAddress(s, dir string) (Address, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || !strings.HasPrefix(s[len(u.Scheme):], "://") {
		return Address{}, fmt.Errorf("%q is no address of a builder; write SCHEME://…, with one of %s", s, strings.Join(schemes, ", "))
	}
	if !slices.Contains(schemes, u.Scheme) {
		return Address{}, fmt.Errorf("%q has the scheme %q, which no builder is reached by; use one of %s", u.Redacted(), u.Scheme, strings.Join(schemes, ", "))
	}
	if err := checkPlace(u); err != nil {
		return Address{}, fmt.Errorf("%q %w", u.Redacted(), err)
	}
	a := Address{URL: u.Scheme + s[len(u.Scheme):]}
	if u.Scheme != "tcp" {
		return a, nil
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Address{}, fmt.Errorf("the settings of %q cannot be read: %w", u.Redacted(), err)
	}
	for k := range q {
		if !slices.Contains([]string{"cacert", "cert", "key", "servername"}, k) {
			return Address{}, fmt.Errorf("%q has the setting %q; there are cacert, cert, key and servername", u.Redacted(), k)
		}
	}
	switch {
	case len(q) > 0:
		a.TLS = &TLS{CA: q.Get("cacert"), Cert: q.Get("cert"), Key: q.Get("key"), ServerName: q.Get("servername")}
		if (a.TLS.Cert == "") != (a.TLS.Key == "") {
			return Address{}, fmt.Errorf("%q has one of cert and key; they go together", u.Redacted())
		}
		u.RawQuery = ""
		a.URL = u.String()
	case dir != "":
		if a.TLS, err = tlsDir(dir); err != nil {
			return Address{}, err
		}
	}
	return a, nil
}

// checkPlace says what an address lacks, or has too much.
func checkPlace(u *url.URL) error {
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return errors.New("has no path; write unix:///PATH/OF/buildkitd.sock")
		}
	case "tcp":
		switch {
		case u.Port() == "":
			return errors.New("has no port; write tcp://HOST:PORT")
		case u.Hostname() == "":
			return errors.New("has no host; write tcp://HOST:PORT")
		case u.Path != "":
			return errors.New("has a path; write tcp://HOST:PORT")
		}
	case "docker":
		if u.Host != "" || u.Path != "" {
			return errors.New("names a daemon; write docker:// alone, and set DOCKER_HOST or use a docker context")
		}
	case "docker-container", "podman-container":
		if u.Host == "" {
			return fmt.Errorf("names no container; write %s://NAME", u.Scheme)
		}
	case "kube-pod":
		if u.Host == "" {
			return errors.New("names no pod; write kube-pod://NAME")
		}
	case "ssh":
		if u.Host == "" {
			return errors.New("names no host; write ssh://USER@HOST")
		}
	}
	return nil
}

// Addresses are those of the builders to use: the ones given, else that of
// BUILDKIT_HOST, else a buildkitd at its usual socket on this machine, else the
// BuildKit inside dockerd. dir is as for ParseAddress.
func Addresses(given []string, dir string) ([]Address, error) {
	if host := os.Getenv("BUILDKIT_HOST"); len(given) == 0 && host != "" {
		a, err := ParseAddress(host, dir)
		if err != nil {
			return nil, fmt.Errorf("BUILDKIT_HOST: %w", err)
		}
		return []Address{a}, nil
	}
	if len(given) == 0 {
		given = []string{usual()}
	}
	var out []Address
	for _, s := range given {
		a, err := ParseAddress(s, dir)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(b Address) bool { return a.URL == b.URL }) {
			return nil, fmt.Errorf("the builder %s is given twice", a)
		}
		out = append(out, a)
	}
	return out, nil
}

func usual() string {
	for _, addr := range []string{appdefaults.Address, appdefaults.UserAddress()} {
		if path, ok := strings.CutPrefix(addr, "unix://"); ok {
			if fi, err := os.Stat(path); err == nil && fi.Mode()&os.ModeSocket != 0 {
				return addr
			}
		}
	}
	return Docker
}
