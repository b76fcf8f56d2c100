package journal

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

const (
	keySecret = "gT9xK2mQ7vR4wZ1pL8sN5bY3cH6dJ0"
	token     = "CAIS8QF1q6Ft5B2yfSjIr5fHCIL23ahD1aiueh/ek2QneeRYv/2+kTz2IHxLe3RpA+0ev/w1lWBZ6vYdlrp6SJVeXRvNctWx="
)

func hidden(t testing.TB) *Journal {
	t.Helper()
	j := &Journal{}
	j.Hide(message.Header{
		{Name: "Host", Value: "not-a-secret-at-all.example.com"},
		{Name: "X-FC-Access-Key-Secret", Value: keySecret},
		{Name: "x-fc-security-token", Value: token},
		{Name: "Authorization", Value: "Bearer eyJhbGciOiJIUzI1NiJ9.e30.abcdefg"},
		{Name: "Proxy-Authorization", Value: "Basic c2hvcnQ="},
		{Name: "x-fc-request-id", Value: "00000000-0000-4000-8000-000000000000"},
		{Name: "x-not-authorized", Value: "1234567890123456789"},
	})
	return j
}

func TestMask(t *testing.T) {
	j := hidden(t)
	for in, want := range map[string]string{
		"":                               "",
		"nothing":                        "nothing",
		keySecret:                        "***",
		"a " + keySecret + " b " + token: "a *** b ***",
		keySecret + keySecret:            "******",
		keySecret[:20]:                   "***", // cut off, as a long line is
		"at the end " + keySecret[:5]:    "at the end " + keySecret[:5],
		keySecret[:29] + "!":             keySecret[:29] + "!",
		"Bearer eyJhbGciOiJIUzI1NiJ9.e30.abcdefg": "Bearer ***",
		"c2hvcnQ=":                             "c2hvcnQ=",
		"not-a-secret-at-all.example.com":      "not-a-secret-at-all.example.com",
		"1234567890123456789":                  "1234567890123456789",
		"00000000-0000-4000-8000-000000000000": "00000000-0000-4000-8000-000000000000",
		"https://example.com/?security-token=" + url.QueryEscape(token) + "&a=b": "https://example.com/?security-token=***&a=b",
		`{"token":"` + strings.ReplaceAll(token, "/", `\/`) + `"}`:               `{"token":"***"}`,
	} {
		if got := j.secrets.mask(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestRotation: old values make room, but never ones that still come.
func TestRotation(t *testing.T) {
	j := hidden(t)
	for i := range 5000 {
		j.Hide(message.Header{
			{Name: "authorization", Value: fmt.Sprintf("Bearer client-number-%010d", i)},
			{Name: "x-fc-access-key-secret", Value: keySecret},
		})
		if i%100 == 0 {
			j.Hide(message.Header{{Name: "authorization", Value: "Bearer one-client-that-stays"}})
		}
	}
	// What came again is kept longer than what did not.
	client := func(s string) { j.Hide(message.Header{{Name: "authorization", Value: "Bearer " + s}}) }
	client("client-that-came-again")
	for i := range 300 {
		client(fmt.Sprintf("client-of-later-%010d", i))
		if i == 200 {
			client("client-that-came-again")
		}
	}
	for _, s := range []string{keySecret, token, "client-of-later-0000000299", "client-of-later-0000000100", "client-that-came-again"} {
		if got := j.secrets.mask(s); got != "***" {
			t.Errorf("%s is not hidden", s)
		}
	}
	if got := j.secrets.mask("client-number-0000000001"); got == "***" {
		t.Error("nothing is forgotten")
	}
	if n := j.secrets.count.Load(); n > 256 {
		t.Errorf("%d values are kept", n)
	}
	first, four, want := 0, 0, 0
	for _, n := range j.secrets.first {
		first += int(n)
	}
	for _, n := range j.secrets.four {
		four += int(n)
	}
	for _, slots := range j.secrets.slots {
		for _, p := range slots {
			want += len(p.forms)
		}
	}
	if first != want || four != want {
		t.Errorf("the index counts %d and %d of %d", first, four, want)
	}
}

func TestHideAllocates(t *testing.T) {
	j := hidden(t)
	h := message.Header{{Name: "X-Fc-Access-Key-Secret", Value: strings.Clone(keySecret)}, {Name: "X-Fc-Security-Token", Value: strings.Clone(token)}}
	if n := testing.AllocsPerRun(100, func() { j.Hide(h) }); n != 0 {
		t.Errorf("%v allocations for known values", n)
	}
}

func veiled(j *Journal, chunks ...[]byte) string {
	var b bytes.Buffer
	v := &veil{secrets: &j.secrets, next: func(p []byte) { b.Write(p) }}
	for _, p := range chunks {
		p = bytes.Clone(p)
		v.pass(p)
		clear(p)
	}
	v.release()
	return b.String()
}

// FuzzVeil: secrets of which one may begin, end or contain another, in text
// that is made of them; cut at random.
func FuzzVeil(f *testing.F) {
	f.Add([]byte("abcabcabcabcabcabcx"), []byte("headers: \x01\x02 and \x01\x01\x03 end"), uint64(1))
	f.Add([]byte("aaaaaaaaaaaaaaaaaaa"), []byte("\x02a\x01aa\x03aaa\x04"), uint64(2))
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte("\x01\x05\x06\x07\x02"), uint64(3))
	f.Fuzz(func(t *testing.T, secret, text []byte, seed uint64) {
		secret = bytes.ReplaceAll(secret, []byte("*"), []byte("+"))
		if len(secret) < minSecret+1 || len(secret) > 1000 || len(text) > 10000 {
			t.Skip()
		}
		values := []string{string(secret), string(secret[1:]), string(secret[:minSecret]), string(secret[len(secret)-minSecret:])}
		j := &Journal{}
		var all []string
		for i, v := range values {
			j.secrets.add(i%kinds, v)
			all = append(all, forms(v)...)
		}
		// Bytes 1 to 8 in text stand for pieces of secrets.
		var in []byte
		for _, c := range text {
			switch {
			case c >= 1 && c <= 4:
				in = append(in, values[c-1]...)
			case c >= 5 && c <= 8:
				in = append(in, secret[:int(c)*len(secret)/9]...)
			default:
				in = append(in, c)
			}
		}
		want := naive(all, string(in))
		if got := veiled(j, in); got != want {
			t.Fatalf("%q: %q, want %q", in, got, want)
		}
		got := veiled(j, cutUp(in, seed)...)
		if got != want {
			t.Fatalf("in pieces %q: %q, want %q", in, got, want)
		}
		for _, v := range values {
			if strings.Contains(got, v) {
				t.Fatalf("%q holds %q", got, v)
			}
		}
	})
}

// naive masks the longest secret at each place.
func naive(values []string, in string) string {
	var b strings.Builder
next:
	for len(in) > 0 {
		longest := ""
		for _, v := range values {
			if strings.HasPrefix(in, v) && len(v) > len(longest) {
				longest = v
			}
		}
		if longest != "" {
			b.WriteString(mark)
			in = in[len(longest):]
			continue next
		}
		b.WriteByte(in[0])
		in = in[1:]
	}
	return b.String()
}

// TestVeilHoldsLittle: only what can be the beginning of a secret stays back.
func TestVeilHoldsLittle(t *testing.T) {
	j := hidden(t)
	var b bytes.Buffer
	v := &veil{secrets: &j.secrets, next: func(p []byte) { b.Write(p) }}
	v.pass([]byte("a line\nprompt> " + keySecret[:7]))
	if b.String() != "a line\nprompt> " {
		t.Errorf("%q", b.String())
	}
	v.pass([]byte("!"))
	if b.String() != "a line\nprompt> "+keySecret[:7]+"!" {
		t.Errorf("%q", b.String())
	}
}
