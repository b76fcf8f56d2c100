package runtimeapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestOddTargets(t *testing.T) {
	for target, want := range map[string][2]string{
		"/a?b=c":          {"/a", "/a?b=c"},
		"/%zz?x":          {"/%zz", "/%25zz?x"},
		"*":               {"*", "*"},
		"http://h/x?y=1":  {"/x", "/x?y=1"},
		"//a/b":           {"//a/b", "//a/b"},
		"/a%2Fb":          {"/a/b", "/a%2Fb"},
		"/é":              {"/é", "/%C3%A9"},
		"/?a=%zz&b=1;c=2": {"/", "/?a=%zz&b=1;c=2"},
	} {
		data, err := base64.StdEncoding.DecodeString(encodeParams(&message.Request{Method: "GET", Target: target}))
		if err != nil {
			t.Fatal(err)
		}
		var p requestParams
		if err := json.Unmarshal(data, &p); err != nil || p.Path != want[0] || p.RequestURI != want[1] {
			t.Errorf("%s: %+v %v", target, p, err)
		}
		if _, err := http.NewRequest(p.Method, p.RequestURI, nil); err != nil { // as the SDK does
			t.Errorf("%s: %v", target, err)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("GET", "/a?b=%41", "X-A", "1", []byte("text"))
	f.Add("POST", "/%zz?%", "x-forwarded-for", " ,", []byte("\xff\"\\\u2028"))
	a := New(Options{})
	f.Fuzz(func(t *testing.T, method, target, name, value string, body []byte) {
		r := &message.Request{Method: method, Target: target, Header: message.Header{{Name: name, Value: value}}}
		var p requestParams
		data, err := base64.StdEncoding.DecodeString(encodeParams(r))
		if err != nil || json.Unmarshal(data, &p) != nil {
			t.Fatalf("%s: %v", data, err)
		}
		var b bytes.Buffer
		if err := a.encodeEvent(r, body, time.Now())(&b); err != nil {
			t.Fatal(err)
		}
		var e struct {
			Body            string
			IsBase64Encoded bool
		}
		if err := json.Unmarshal(b.Bytes(), &e); err != nil {
			t.Fatalf("%v: %s", err, b.Bytes())
		}
		got := []byte(e.Body)
		if e.IsBase64Encoded {
			got, err = base64.StdEncoding.DecodeString(e.Body)
		}
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%q became %q", body, got)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"status":201,"headersMap":{"X-A":["1"],"Connection":["close"]}}`))
	f.Add([]byte(`{"statusCode":200,"headers":{"a":"b","c":["d",1]},"body":"/wA=","isBase64Encoded":true}`))
	f.Add([]byte(`{"statusCode":200,"body":{"a":1}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		check := func(head message.Head) {
			if head.Status < 200 || head.Status > 599 {
				t.Fatalf("status %d", head.Status)
			}
			for _, h := range head.Header {
				if !http1.IsToken(h.Name) || bytes.ContainsAny([]byte(h.Value), "\r\n\x00") || hop(h.Name) {
					t.Fatalf("%q", h)
				}
			}
		}
		if head, err := decodeParams(base64.StdEncoding.EncodeToString(data)); err == nil {
			check(head)
		}
		_, _ = decodeParams(string(data))
		if head, body, err := decodeEventAnswer(data); err == nil {
			check(head)
			if head.Length != int64(len(body)) {
				t.Fatalf("%d bytes, length %d", len(body), head.Length)
			}
		}
	})
}

func TestEventAnswers(t *testing.T) {
	for _, c := range []struct {
		data   string
		status int
		body   string
		kind   string
	}{
		{`{"statusCode":204}`, 204, "", ""},
		{`{"statusCode":200,"body":"a\n"}`, 200, "a\n", "application/json"},
		{`{"statusCode":200,"headers":{"content-type":"a/b"},"body":"a"}`, 200, "a", "a/b"},
		{`{"statusCode":200,"body":{"a":[1, 2]}}`, 200, `{"a":[1, 2]}`, "application/json"},
		{`{"statusCode":200,"body":null}`, 200, "", ""},
		{`{"a":1}`, 200, `{"a":1}`, "application/json"},
		{`"text"`, 200, `"text"`, "application/json"},
		{`[1]`, 200, `[1]`, "application/json"},
		{``, 200, ``, "application/json"},
		{`{"statusCode":"200"}`, 200, `{"statusCode":"200"}`, "application/json"},
	} {
		head, body, err := decodeEventAnswer([]byte(c.data))
		if err != nil || head.Status != c.status || string(body) != c.body || head.Header.Get("content-type") != c.kind {
			t.Errorf("%s: %+v %q %v", c.data, head, body, err)
		}
	}
	for _, data := range []string{`{"statusCode":99}`, `{"statusCode":1000}`, `{"statusCode":200,"isBase64Encoded":true,"body":"%"}`} {
		if _, _, err := decodeEventAnswer([]byte(data)); err == nil {
			t.Errorf("%s was taken", data)
		}
	}
}
