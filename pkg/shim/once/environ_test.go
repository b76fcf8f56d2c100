package once

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestEnviron(t *testing.T) {
	b, _ := script(t, `env`)
	x := newCall("PUT", "/a%20b?c=d", "body", "Host", "h.example.com:81", "X-Two", "1", "x-two", "2", "Proxy", "evil", "X_Two", "evil",
		"Cookie", "a=1", "cookie", "b=2", "Content-Type", "a/b", "Content-Length", "4", "Connection", "close",
		"X-Fc-Request-Id", "1-a", "x-fc-access-key-secret", "s3cret", "x-fc-region", "cn-real", "x-fc-unknown", "u", "X-Amzn-Trace-Id", "Root=1", "Authorization", "Bearer x")
	if err := b.Do(x); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(x.body.String()) {
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		"REQUEST_METHOD=PUT", "PATH_INFO=/a b", "QUERY_STRING=c=d", "REQUEST_URI=/a%20b?c=d", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1",
		"SERVER_NAME=h.example.com", "SERVER_PORT=81", "CONTENT_TYPE=a/b", "CONTENT_LENGTH=4", "HTTP_HOST=h.example.com:81", "HTTP_X_TWO=1, 2",
		"HTTP_COOKIE=a=1; b=2", "HTTP_AUTHORIZATION=Bearer x", "HTTP_PROXY=http://proxy.example.com", "FC_REQUEST_ID=1-a", "FC_REGION=cn-real",
		"FC_CONTROL_PATH=/http-invoke", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=s3cret", "_X_AMZN_TRACE_ID=Root=1",
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s is not in %q", w, got)
		}
	}
	if text := x.body.String(); strings.Count(text, "s3cret") != 1 || strings.Contains(text, "evil") || strings.Contains(text, "UNKNOWN") || strings.Contains(text, "HTTP_CONNECTION") {
		t.Error(text)
	}

	x = newCall("POST", "/invoke", "{}", "X-Fc-Control-Path", "/invoke", "X-A", "1")
	if err := b.Do(x); err != nil {
		t.Fatal(err)
	}
	if text := x.body.String(); strings.Contains(text, "HTTP_X_A") || strings.Contains(text, "REQUEST_METHOD") || !strings.Contains(text, "FC_CONTROL_PATH=/invoke\n") || !strings.Contains(text, "FC_REGION=cn-last\n") {
		t.Error(text)
	}
}

func FuzzEnviron(f *testing.F) {
	f.Add("GET", "/%41%zz%?q", "X-A", "v\x00")
	f.Add("GET", "*", "Proxy", "v=w")
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		r := &message.Request{Method: method, Target: target, Header: message.Header{{Name: name, Value: value}, {Name: "Host", Value: value}}}
		base := []string{"HTTP_PROXY=keep", "PATH=/bin", "LD_PRELOAD=none"}
		env := environ(base, r, fc.HTTP)
		names := map[string]bool{}
		for _, e := range env {
			name, _, ok := strings.Cut(e, "=")
			if !ok || names[name] || strings.IndexByte(e, 0) >= 0 {
				t.Fatalf("%q in %q", e, env)
			}
			names[name] = true
		}
		for _, e := range base {
			if !slices.Contains(env, e) {
				t.Fatalf("%q was changed: %q", e, env)
			}
		}
	})
}

func TestTail(t *testing.T) {
	for _, c := range []struct {
		add  []string
		want []string
	}{
		{nil, nil},
		{[]string{"\n"}, nil},
		{[]string{"a\r\nb"}, []string{"a", "b"}},
		{[]string{"1\n2", "\n3\n", "4\n"}, []string{"2", "3", "4"}},
		{[]string{strings.Repeat("x", 5000) + "\nend\n"}, []string{"end"}},
		{[]string{strings.Repeat("x", 3000), strings.Repeat("y", 3000)}, []string{strings.Repeat("x", 1096) + strings.Repeat("y", 3000)}},
	} {
		tl := tail{lines: 3}
		for _, a := range c.add {
			tl.add([]byte(a))
		}
		if got := tl.last(); !slices.Equal(got, c.want) {
			t.Errorf("%.20q: %.40q", c.add, got)
		}
	}
}

func FuzzContentType(f *testing.F) {
	f.Add([]byte(`{"a":1}`), 3)
	f.Add([]byte("é"), 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if got := contentType(data, true); (got == "application/octet-stream") == utf8.Valid(data) {
			t.Fatalf("%q is %s", data, got)
		}
		if cut >= 0 && cut <= len(data) && utf8.Valid(data) && contentType(data[:cut], false) == "application/octet-stream" {
			t.Fatalf("%q is not text", data[:cut])
		}
	})
}
