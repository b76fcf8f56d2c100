package sign

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/imgbuild/imgbuild/pkg/input/inputtest"
)

// The payload is, byte for byte, what cosign's own library writes.
func TestPayload(t *testing.T) {
	digest := hash(t, "image")
	got := Payload("registry.example.com/base/golang", digest)
	ref, err := name.NewDigest("registry.example.com/base/golang@" + digest.String())
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(payload.Cosign{Image: ref})
	if err != nil || string(got) != string(want) {
		t.Errorf("%s\nwant\n%s (%v)", got, want, err)
	}
	inputtest.Golden(t, "payload.json", string(got)+"\n")
	if err := CheckPayload(got, digest); err != nil {
		t.Error(err)
	}
	// Annotations of `cosign sign -a` and other names change nothing.
	more, err := json.Marshal(payload.Cosign{Image: ref, ClaimedIdentity: "x", Annotations: map[string]any{"a": "b", "n": 1}})
	if err == nil {
		err = CheckPayload(more, digest)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestCheckPayloadRefuses(t *testing.T) {
	digest := hash(t, "image")
	good := string(Payload("registry.example.com/a", digest))
	for name, v := range map[string]struct{ text, want string }{
		"another image":         {string(Payload("registry.example.com/a", hash(t, "other"))), "it signs the image sha256:"},
		"no digest":             {strings.Replace(good, digest.String(), "", 1), "it signs the image , not"},
		"upper case":            {strings.Replace(good, digest.Hex, strings.ToUpper(digest.Hex), 1), "it signs the image"},
		"another type":          {strings.Replace(good, payloadType, "atomic container signature", 1), `of the type "atomic container signature"`},
		"twice":                 {strings.Replace(good, `"critical":`, `"critical":{},"critical":`, 1), `"critical" is twice`},
		"twice, in capitals":    {strings.Replace(good, `"critical":`, `"Critical":{},"critical":`, 1), `"critical" is twice`},
		"digest twice":          {strings.Replace(good, `"docker-manifest-digest":`, `"docker-manifest-digest":"sha256:0","docker-manifest-digest":`, 1), "is twice"},
		"something behind it":   {good + good, "something behind"},
		"cut off":               {good[:len(good)-1], "unexpected EOF"},
		"empty":                 {"", "no JSON"},
		"a list":                {"[]", "cannot unmarshal"},
		"nested without end":    {strings.Repeat("[", 100_000), "nested more than"},
		"larger than it may be": {good[:len(good)-1] + strings.Repeat(" ", MaxPayload) + "}", "more than"},
	} {
		if err := CheckPayload([]byte(v.text), digest); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: error %v; want one with %q", name, err, v.want)
		}
	}
	other, ok := errors.AsType[*OtherImageError](CheckPayload(Payload("", hash(t, "other")), digest))
	if !ok || other.Want != digest || other.Got != hash(t, "other").String() {
		t.Errorf("%+v", other)
	}
}
