package verify_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/sign"
)

// cosign is the real one, in a folder of its own and without a network.
type cosign struct {
	path, dir string
}

func newCosign(t *testing.T) cosign {
	testtool.Whole(t)
	return cosign{testtool.Tool(t, "cosign"), t.TempDir()}
}

func (c cosign) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "DOCKER_CONFIG="+c.dir, "COSIGN_PASSWORD=secret")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c cosign) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.run(t, args...)
	if err != nil {
		t.Fatalf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// offline keeps cosign from its transparency log, which is a service.
var offline = []string{"--insecure-ignore-tlog=true", "--allow-http-registry"}

func (c cosign) verify(t *testing.T, ref, pub string) (string, error) {
	return c.run(t, append([]string{"verify", "--key", pub, ref}, offline...)...)
}

func (c cosign) verifyAttestation(t *testing.T, ref, pub, kind string) (string, error) {
	return c.run(t, append([]string{"verify-attestation", "--key", pub, "--type", kind, ref}, offline...)...)
}

// realRegistry is docker-registry.
func realRegistry(t *testing.T) address.Repository {
	t.Helper()
	testtool.Need(t, "docker-registry", "docker-registry")
	r, err := testtool.StartRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return address.Repository{Host: r.Host, Path: "base/tiny"}
}

// TestCosignAccepts: cosign verifies what we publish, the index and the
// images in it.
func TestCosignAccepts(t *testing.T) {
	c := newCosign(t)
	repo := realRegistry(t)
	key, pub := newKey(t)
	_, other := newKey(t)
	for _, platforms := range [][]string{{"linux/amd64"}, {"linux/amd64", "linux/arm64"}} {
		x := newTiny(t, strings.Join(platforms, " "), platforms...)
		x.publish(t, repo, key)
		refs := []string{repo.String() + ":1"}
		for _, img := range x.images {
			digest, _ := img.Digest()
			refs = append(refs, repo.String()+"@"+digest.String())
		}
		for _, ref := range refs {
			if out, err := c.verify(t, ref, pub); err != nil {
				t.Errorf("%s: %v\n%s", ref, err, out)
			}
			if out, err := c.verify(t, ref, other); err == nil {
				t.Errorf("%s by another key: %s", ref, out)
			}
			for _, kind := range []string{"slsaprovenance1", "spdxjson", "cyclonedx"} {
				if out, err := c.verifyAttestation(t, ref, pub, kind); err != nil || !strings.Contains(out, `"payload"`) {
					t.Errorf("%s %s: %v\n%s", ref, kind, err, out)
				}
			}
			if out, err := c.verifyAttestation(t, ref, other, "spdxjson"); err == nil {
				t.Errorf("%s by another key: %s", ref, out)
			}
		}
	}
}

// TestOfCosign: an image that cosign signed and attested, with a key that
// cosign made, is verified; so is one that both have signed.
func TestOfCosign(t *testing.T) {
	c := newCosign(t)
	repo := realRegistry(t)
	c.must(t, "generate-key-pair")
	x := newTiny(t, "cosign", "linux/amd64", "linux/arm64")
	x.push(t, repo)
	ref := repo.String() + "@" + x.digest.String()
	sign1 := []string{"--key", "cosign.key", "--tlog-upload=false", "--yes", "--allow-http-registry"}
	c.must(t, append([]string{"sign", ref}, sign1...)...)
	write(t, filepath.Join(c.dir, "spdx.json"), `{"spdxVersion":"SPDX-2.3"}`)
	c.must(t, append([]string{"attest", ref, "--type", "spdxjson", "--predicate", "spdx.json"}, sign1...)...)

	pub := filepath.Join(c.dir, "cosign.pub")
	r, err := verifyWith(t, repo, pub)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Attestations) != 1 || r.Attestations[0].Name() != "SPDX" || len(r.Platforms) != 2 {
		t.Errorf("%+v", r)
	}
	// Its private key signs for us, too: only with its password.
	t.Setenv("COSIGN_PASSWORD", "secret")
	key, err := sign.Load(t.Context(), filepath.Join(c.dir, "cosign.key"))
	if err != nil {
		t.Fatal(err)
	}
	// What cosign has signed is not signed again.
	at, err := attach.Open(newStore(t), repo)
	if err != nil {
		t.Fatal(err)
	}
	old, err := at.Find(t.Context(), x.digest, attach.Signature)
	if err != nil {
		t.Fatal(err)
	}
	if _, changed, err := attach.AddSignature(t.Context(), old, x.digest, key, repo.Name()); err != nil || changed {
		t.Errorf("changed %v, error %v", changed, err)
	}
	// Another key signs beside it, and both are good for both.
	second, pub2 := newKey(t)
	both, changed, err := attach.AddSignature(t.Context(), old, x.digest, second, repo.Name())
	if err != nil || !changed {
		t.Fatalf("changed %v, error %v", changed, err)
	}
	pushImage(t, repo, both, attach.Tag(x.digest, attach.Signature))
	att, err := at.Find(t.Context(), x.digest, attach.Attestations)
	if err != nil {
		t.Fatal(err)
	}
	more, _, err := attach.AddAttestations(t.Context(), att, second, x.statements(t, x.digest, x.digest, x.platforms), nil)
	if err != nil {
		t.Fatal(err)
	}
	pushImage(t, repo, more, attach.Tag(x.digest, attach.Attestations))
	for _, p := range []string{pub, pub2} {
		if out, err := c.verify(t, ref, p); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := c.verifyAttestation(t, ref, p, "spdxjson"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if _, err := verifyWith(t, repo, p); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("COSIGN_PASSWORD", "wrong")
	if _, err := sign.Load(t.Context(), filepath.Join(c.dir, "cosign.key")); err == nil || !strings.Contains(err.Error(), "COSIGN_PASSWORD") {
		t.Errorf("error %v", err)
	}
}
