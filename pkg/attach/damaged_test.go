package attach

import (
	"bytes"
	"encoding/base64"
	"slices"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/sign"
)

// What was tampered with or can not be read makes room, for no image verifies
// with it; what somebody else has signed stays.
func TestDamagedAttestations(t *testing.T) {
	b := newRepository(t)
	mine, theirs := newKey(t), newKey(t)
	envelope := func(k sign.Key) []byte {
		e, err := sign.Envelope(t.Context(), k, PayloadType, []byte(`{"a":1}`))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	other := base64.StdEncoding.EncodeToString([]byte(`{"a":2}`))
	payload := base64.StdEncoding.EncodeToString([]byte(`{"a":1}`))
	changed := bytes.Replace(envelope(mine), []byte(payload), []byte(other), 1)
	if bytes.Equal(changed, envelope(mine)) {
		t.Fatal("the envelope has another form than the test thinks")
	}
	old, err := AttestationsImage([]Statement{{"a", []byte("not JSON")}, {"b", changed}, {"c", envelope(theirs)}, {"a", envelope(mine)}})
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, Attestations, old)
	img, different, err := AddAttestations(t.Context(), b.find(t, Attestations), mine, statements(1, "a"), nil)
	if err != nil || !different {
		t.Fatalf("changed %v, %v", different, err)
	}
	b.put(t, Attestations, img)
	var got []string
	for s, err := range b.find(t, Attestations).Statements(t.Context()) {
		if err != nil || s.Damaged(mine.Public()) {
			t.Errorf("%s: %v", s.PredicateType, err)
		}
		got = append(got, s.PredicateType)
	}
	if !slices.Equal(got, []string{"c", "a"}) {
		t.Errorf("left are %q", got)
	}
}
