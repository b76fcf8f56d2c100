package lambda

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/http1"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestParse(t *testing.T) {
	for payload, want := range map[string]source{
		`{}`: other, `[]`: other, `1`: other, `null`: other, `not JSON`: other, ``: other, `"text"`: other,
		`{"httpMethod":"GET"}`:                                                               other,
		`{"httpMethod":"GET","path":"/"}`:                                                    v1,
		`{"httpMethod":1,"path":"/"}`:                                                        other,
		`{"version":"2.0"}`:                                                                  other,
		`{"version":"2.0","requestContext":{"http":{"method":"GET"}}}`:                       v2,
		`{"version":"1.0","httpMethod":"GET","path":"/","requestContext":{}}`:                v1,
		`{"httpMethod":"GET","path":"/","requestContext":{"elb":{}}}`:                        alb,
		`{"httpMethod":"GET","path":"/","requestContext":{"elb":{}},"headers":null}`:         alb,
		`{"httpMethod":"GET","path":"/","requestContext":{"elb":{}},"multiValueHeaders":{}}`: albMulti,
		`{"requestContext":{"routeKey":"$connect","eventType":"CONNECT"},"headers":{}}`:      other,
		`{"Records":[{"eventSource":"aws:sqs","body":"x"}]}`:                                 other,
	} {
		if got, _ := parse([]byte(payload)); got != want {
			t.Errorf("%s: %d, want %d", payload, got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		from source
		e    httpEvent
		want string
	}{
		{v1, httpEvent{Path: "/a b?c#d", Queries: map[string]string{"x": "1 2&3", "a": ""}}, "/a%20b%3Fc%23d?a=&x=1+2%263"},
		{v1, httpEvent{Path: "/é%41"}, "/%C3%A9%41"},
		{v1, httpEvent{Path: "/", Queries: map[string]string{"x": "2"}, MultiQueries: map[string][]string{"x": {"1", "2"}}}, "/?x=1&x=2"},
		{alb, httpEvent{Path: "/a%20b", Queries: map[string]string{"x": "1%202"}}, "/a%20b?x=1%202"},
		{v2, httpEvent{RawPath: "/prod/a", RawQuery: "x=%31&y"}, "/prod/a?x=%31&y"},
		{v2, httpEvent{RawPath: ""}, "/"},
		{v2, httpEvent{RawPath: "//a", RawQuery: "a b#\r\n"}, "//a?a%20b%23%0D%0A"},
	} {
		if got := c.e.target(c.from); got != c.want {
			t.Errorf("%+v: %s, want %s", c.e, got, c.want)
		}
	}
}

// FuzzEvent has any event make a request that HTTP/1.1 can carry.
func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"version":"2.0","rawPath":"/a b","rawQueryString":"c=d","cookies":["a=1","b"],"headers":{"x-a":"1,2","a b":"c"},"body":"eA==","isBase64Encoded":true,"requestContext":{"domainName":"h","http":{"method":"POST","sourceIp":"192.0.2.1"}}}`))
	f.Add([]byte(`{"httpMethod":"GET","path":"/%","multiValueHeaders":{"X-A":["1","\n"]},"multiValueQueryStringParameters":{"a":["\u0000"]},"requestContext":{"elb":{}}}`))
	f.Add([]byte(`{"httpMethod":"G T","path":"/","headers":{"Host":"a"},"queryStringParameters":{"é":"ü"},"body":"\ud800"}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		from, e := parse(payload)
		if from == other {
			return
		}
		r, body, err := e.request(from)
		if err != nil {
			return
		}
		if !http1.IsToken(r.Method) || !strings.HasPrefix(r.Target, "/") || strings.IndexFunc(r.Target, func(c rune) bool { return c <= ' ' || c >= 0x7f }) >= 0 || int64(len(body)) != r.Length {
			t.Fatalf("%+v", r)
		}
		for _, h := range r.Header {
			if !http1.IsToken(h.Name) || strings.ContainsAny(h.Value, "\r\n\x00") || ours(h.Name) {
				t.Fatalf("%q", h)
			}
		}
	})
}

// FuzzEncode has any answer come back from what is posted.
func FuzzEncode(f *testing.F) {
	f.Add(200, "X-A", "1", []byte("text"))
	f.Add(404, "Set-Cookie", "a=1", []byte("\xff<&>\u2028"))
	f.Add(500, "Content-Encoding", "gzip", []byte(""))
	f.Fuzz(func(t *testing.T, status int, name, value string, body []byte) {
		for _, from := range []source{v1, v2, alb, albMulti} {
			head := message.Head{Status: status, Header: message.Header{{Name: name, Value: value}, {Name: name, Value: "2"}}}
			data, err := encode(from, &head, body)
			if err != nil {
				t.Fatal(err)
			}
			var a struct {
				Status  int    `json:"statusCode"`
				Body    string `json:"body"`
				Encoded bool   `json:"isBase64Encoded"`
			}
			if err := json.Unmarshal(data, &a); err != nil {
				t.Fatalf("%v: %s", err, data)
			}
			got := []byte(a.Body)
			if a.Encoded {
				got, err = base64.StdEncoding.DecodeString(a.Body)
			}
			if err != nil || !bytes.Equal(got, body) || a.Status != status {
				t.Fatalf("%q became %q in %s", body, got, data)
			}
		}
	})
}

func FuzzErrorOf(f *testing.F) {
	f.Add(500, []byte(`{"errorMessage":"m","errorType":"a b\n"}`))
	f.Add(404, []byte("\xff"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		h, data := errorOf(status, body)
		var e struct {
			Message *string `json:"errorMessage"`
		}
		if err := json.Unmarshal(data, &e); err != nil || e.Message == nil {
			t.Fatalf("%v: %s", err, data)
		}
		if kind := h.Get(errorTypeField); !http1.IsToken("x"+strings.Map(func(c rune) rune {
			if c > ' ' && c < 0x7f {
				return 'x'
			}
			return c
		}, kind)) || kind == "" {
			t.Fatalf("%q", kind)
		}
	})
}
