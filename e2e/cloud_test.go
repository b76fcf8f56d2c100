package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/acr/acrtest"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
)

// hosts are the names in the docs that stand for what a reader has. In the mount
// namespace of these tests they are an address of loopback, so that commands are
// run as they are printed: behind the names are one docker-registry, the endpoints
// of packages deploytest and acrtest, and this machine's mirrors.
var hosts = []string{
	"registry.cn-hangzhou.aliyuncs.com", "registry.cn-shanghai.aliyuncs.com",
	"first-registry.cn-hangzhou.cr.aliyuncs.com", "second-registry.cn-shanghai.cr.aliyuncs.com",
	"registry.example.com", "eu.example.com", "us.example.com",
	"fcv3.cn-hangzhou.aliyuncs.com", deploytest.Account + ".cn-hangzhou.fc.aliyuncs.com", "cr.cn-hangzhou.aliyuncs.com", "cr.cn-shanghai.aliyuncs.com",
	"mirror.example", "npm.example",
}

// cloudAddress has the address of loopback that hosts are at, once this process
// has a mount namespace of its own.
const cloudAddress = "IMGBUILD_TEST_CLOUD"

// enterCloud starts this program again where hosts are found and where the file
// of certificates is one that the tests add theirs to. Only root can; for others
// it does nothing, and cloud skips.
func enterCloud() error {
	if os.Geteuid() != 0 || os.Getenv(cloudAddress) != "" {
		return nil
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return nil
	}
	dir, err := os.MkdirTemp("", "e2e-cloud-")
	if err != nil {
		return err
	}
	// Another run of these tests has another process number, and so another address.
	pid := os.Getpid()
	address := fmt.Sprintf("127.%d.%d.%d", 64+pid>>16&63, pid>>8&255, pid&255)
	table, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return err
	}
	table = fmt.Appendf(table, "\n%s %s\n", address, strings.Join(hosts, " "))
	if err := os.WriteFile(filepath.Join(dir, "hosts"), table, 0o644); err != nil {
		return err
	}
	var roots []byte
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"} {
		if roots, err = os.ReadFile(file); err == nil {
			break
		}
	}
	certificates := filepath.Join(dir, "certificates")
	if err := os.WriteFile(certificates, roots, 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{"unshare", "--mount", "sh", "-c", `mount --bind "$0/hosts" /etc/hosts && exec "$@"`, dir, self}, os.Args[1:]...)
	return syscall.Exec(unshare, args, append(os.Environ(), cloudAddress+"="+address, "SSL_CERT_FILE="+certificates))
}

// trust adds the tests' authority to what this process and all that it starts
// trust, and returns the folder to remove.
func trust() (dir string, err error) {
	file := os.Getenv("SSL_CERT_FILE")
	cloudAuthority, err = makeAuthority()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	err = pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: cloudAuthority.cert.Raw})
	return filepath.Dir(file), errors.Join(err, f.Close())
}

var cloudAuthority *authority

// cloud is where functions are deployed to while one page of the docs is followed.
type cloud struct {
	*deploytest.Platform
	Registry string // HOST:PORT of what is behind all registries' names
}

// theCloud returns a cloud without functions and images.
func theCloud(t testing.TB) cloud {
	t.Helper()
	testtool.NeedRoot(t)
	testtool.Need(t, "unshare", "util-linux")
	testtool.Need(t, "mount", "mount")
	front, err := sharedCloud()
	if err != nil {
		t.Fatal(err)
	}
	c := cloud{deploytest.New(), freshRegistry(t).Host}
	logins := acrtest.New()
	logins.Instances = []string{"first", "second"}
	target := &url.URL{Scheme: "http", Host: c.Registry}
	mirrors := relay(t)
	images := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
		p.SetXForwarded() // the registry names its uploads by whole URLs
	}}
	front.serve(func(w http.ResponseWriter, r *http.Request) {
		switch host := r.Host; {
		case strings.HasPrefix(host, "fcv3."), strings.HasSuffix(host, ".fc.aliyuncs.com"):
			c.ServeHTTP(w, r)
		case strings.HasPrefix(host, "cr."):
			logins.ServeHTTP(w, r)
		case host == "npm.example":
			r.URL.Path = "/npm" + r.URL.Path
			mirrors.ServeHTTP(w, r)
		case host == "mirror.example":
			mirrors.ServeHTTP(w, r)
		default:
			images.ServeHTTP(w, r)
		}
	})
	return c
}

// front listens at all of hosts.
type front struct {
	mu sync.Mutex
	h  http.HandlerFunc
}

func (f *front) serve(h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.h = h
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	h := f.h
	f.mu.Unlock()
	h(w, r)
}

var sharedCloud = sync.OnceValues(func() (*front, error) {
	certificates := map[string]tls.Certificate{}
	for _, host := range hosts {
		cert, key, err := cloudAuthority.sign(host, false)
		if err != nil {
			return nil, err
		}
		certificates[host] = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	}
	l, err := tls.Listen("tcp", net.JoinHostPort(os.Getenv(cloudAddress), "443"), &tls.Config{
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			c, ok := certificates[hello.ServerName]
			if !ok {
				return nil, fmt.Errorf("there is no host %s", hello.ServerName)
			}
			return &c, nil
		},
	})
	if err != nil {
		return nil, err
	}
	f := &front{}
	s := &http.Server{Handler: f}
	go s.Serve(l)
	cleanUp.add(func() { s.Close() })
	return f, nil
})

// The names lead to the tests' own, for all that they start.
func TestCloud(t *testing.T) {
	theCloud(t)
	roots, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	if err != nil || !bytes.Contains(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cloudAuthority.cert.Raw})) {
		t.Fatalf("the authority is not trusted: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for _, host := range hosts[:7] {
		res, err := client.Get("https://" + host + "/v2/")
		if err != nil {
			t.Error(err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
}
