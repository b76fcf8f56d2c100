package push

import (
	"reflect"
	"testing"
)

func TestParseChallenges(t *testing.T) {
	for in, want := range map[string][]challenge{
		`Bearer realm="https://auth.example.com/token",service="a b",scope="repository:x:pull,push"`: {{"bearer", map[string]string{"realm": "https://auth.example.com/token", "service": "a b", "scope": "repository:x:pull,push"}}},
		`Basic realm=test`: {{"basic", map[string]string{"realm": "test"}}},
		`Negotiate, Basic realm="a\"b", Bearer realm="x"`: {{"negotiate", map[string]string{}}, {"basic", map[string]string{"realm": `a"b`}}, {"bearer", map[string]string{"realm": "x"}}},
		``:                       nil,
		`Bearer realm="unclosed`: {{"bearer", map[string]string{}}},
	} {
		if got := parseChallenges([]string{in}); !reflect.DeepEqual(got, want) {
			t.Errorf("parseChallenges(%q) = %+v; want %+v", in, got, want)
		}
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://auth.example.com/token",service="a b"`)
	f.Add(`Basic realm=x, ,=`)
	f.Add(`"\`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range parseChallenges([]string{s}) {
			if c.scheme == "" || c.params == nil {
				t.Fatalf("parseChallenges(%q) gives %+v", s, c)
			}
		}
	})
}
