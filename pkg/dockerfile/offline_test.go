package dockerfile_test

import (
	"errors"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// Offline a build has the bases that are here, its context, and no network.
func TestOffline(t *testing.T) {
	on := builder(t)
	there, _ := published(t, "team/offline:1")
	offline := func(text string) (*dockerfile.Result, error) {
		b := newBuild(t, map[string]string{"Dockerfile": text, "a": "a"})
		b.Local = &local{t: t, has: "/node:22"}
		b.Offline, b.Network = true, "none"
		return run(t, b, on)
	}
	// No registry is asked for what is here: this one has it, too.
	both, _ := published(t, "team/node:22")
	r, err := offline("FROM " + both + " AS one\nRUN [\"/tool\", \"count\", \"/sys/class/net\", \"1\"]\nFROM scratch\nCOPY --from=one /tool /\nCOPY a /\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Bases) != 1 || !r.Bases[0].Local || r.Bases[0].Why != nil {
		t.Errorf("bases %+v", r.Bases)
	}
	for text, want := range map[string]string{
		"FROM scratch\nFROM " + there + "\n":          "Dockerfile:2: --offline asks no registry, and " + there + " is to come from one; the hint for ",
		"FROM " + both + "\nCOPY --from=x.io/y / /\n": "Dockerfile:2: --offline asks no registry, and x.io/y:latest",
		"RUN x\n": "cannot be read here",
	} {
		_, err := offline(text)
		if _, ok := errors.AsType[*dockerfile.OfflineError](err); !ok {
			t.Errorf("%q: %v", text, err)
			continue
		}
		wantIn(t, err.Error(), want)
	}
	for _, text := range []string{
		"FROM scratch\nADD http://" + registry(t) + "/v2/ /\n",
		"FROM scratch\nADD https://github.com/x/y.git /\n",
		"# syntax=" + there + "\nFROM scratch\nCOPY a /\n",
	} {
		if _, err := offline(text); err == nil {
			t.Errorf("%q was built", text)
		} else {
			wantIn(t, err.Error(), "with --offline the builder fetches nothing")
		}
	}
}
