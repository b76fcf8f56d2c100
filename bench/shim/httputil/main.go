// Command httputil is net/http/httputil.ReverseProxy as well tuned as it can
// be: no compression, no proxy look-ups, connections kept, buffers kept.
package main

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
)

func main() {
	target := &url.URL{Scheme: "http", Host: "127.0.0.1:" + os.Getenv("PORT")}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
		},
		Transport: &http.Transport{
			MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024,
			DisableCompression: true, ForceAttemptHTTP2: false,
			ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10,
		},
		BufferPool: &pool{},
	}
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("LISTEN"), proxy))
	os.Exit(1)
}

type pool struct{ sync.Pool }

func (p *pool) Get() []byte {
	if b, ok := p.Pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *pool) Put(b []byte) { p.Pool.Put(&b) }
