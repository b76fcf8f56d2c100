package frontend

import "testing"

func TestLines(t *testing.T) {
	const text = `name: x
variants:
  - name: full
    layers:
      - name: os
        debian: {suite: trixie, packages: [a]}
      - name: made
        run:
          script: |
            one
            two

          network: false
  - name: slim
    layers: [{name: made, run: {script: three}}]
`
	for _, test := range []struct {
		variant, layer string
		first, last    int32
	}{{"full", "os", 5, 6}, {"full", "made", 7, 13}, {"slim", "made", 15, 15}} {
		got := lines([]byte(text), test.variant, test.layer)
		if len(got) != 1 || got[0].Start.Line != test.first || got[0].End.Line != test.last {
			t.Errorf("%s of %s is at %v, want %d to %d", test.layer, test.variant, got, test.first, test.last)
		}
	}
	for _, nowhere := range []string{"", "- a", "variants: 1", "variants: [{name: full}]", "{", "variants: [a, {name: full, layers: {}}]"} {
		if got := lines([]byte(nowhere), "full", "made"); got != nil {
			t.Errorf("%q: %v", nowhere, got)
		}
	}
}
