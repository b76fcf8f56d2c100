package lambda

import (
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

func TestEncode(t *testing.T) {
	field := func(name, value string) message.Header { return message.Header{{Name: name, Value: value}} }
	for _, c := range []struct {
		from source
		head message.Head
		body string
		want string
	}{
		{v2, message.Head{Status: 200}, "<a&b>", `{"statusCode":200,"headers":{},"body":"<a&b>","isBase64Encoded":false}`},
		{v2, message.Head{Status: 200, Header: field("Content-Encoding", "gzip")}, "ascii", `{"statusCode":200,"headers":{"content-encoding":"gzip"},"body":"YXNjaWk=","isBase64Encoded":true}`},
		{v2, message.Head{Status: 200, Header: field("Content-Encoding", "Identity")}, "ascii", `{"statusCode":200,"headers":{"content-encoding":"Identity"},"body":"ascii","isBase64Encoded":false}`},
		{v2, message.Head{Status: 200, Header: message.Header{{Name: "Set-Cookie", Value: "a"}, {Name: "A", Value: "1"}, {Name: "set-cookie", Value: "b"}, {Name: "a", Value: "2"}}}, "\xff",
			`{"statusCode":200,"headers":{"a":"1, 2"},"cookies":["a","b"],"body":"/w==","isBase64Encoded":true}`},
		{v1, message.Head{Status: 200, Header: message.Header{{Name: "Set-Cookie", Value: "a"}, {Name: "set-cookie", Value: "b"}}}, "", `{"statusCode":200,"multiValueHeaders":{"set-cookie":["a","b"]},"body":"","isBase64Encoded":false}`},
		{alb, message.Head{Status: 404, Header: field("X-Fc-Status", "404")}, "", `{"statusCode":404,"statusDescription":"404 Not Found","headers":{},"body":"","isBase64Encoded":false}`},
		{albMulti, message.Head{Status: 599, Header: field("A", "b")}, "", `{"statusCode":599,"statusDescription":"599","multiValueHeaders":{"a":["b"]},"body":"","isBase64Encoded":false}`},
		{alb, message.Head{Status: 200, Reason: "Fine"}, "", `{"statusCode":200,"statusDescription":"200 Fine","headers":{},"body":"","isBase64Encoded":false}`},
	} {
		got, err := encode(c.from, &c.head, []byte(c.body))
		if err != nil || string(got) != c.want {
			t.Errorf("%+v: %v\n%s, want\n%s", c.head, err, got, c.want)
		}
	}
	if _, err := encode(v2, &message.Head{Status: 200}, make([]byte, maxAnswer*3/4)); err == nil {
		t.Error("an answer that is too long in base64 was taken")
	}
}
