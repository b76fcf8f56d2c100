package dockerfile_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/dockerfile"
)

// A secret is where a command asks for it, and nowhere else: in no layer, config
// or cache, and not among what the builder keeps.
func TestSecrets(t *testing.T) {
	testtool.Whole(t)
	bk := testtool.BuildKitd(t)
	on := dial(t, bk.Address, "")
	base, _ := published(t, "team/secrets:1")
	inFile, inVariable := secret(t), secret(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(inFile), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("A_SECRET", inVariable)
	b := newBuild(t, map[string]string{"Dockerfile": "FROM " + base + `
RUN --mount=type=secret,id=file ["/tool", "size", "/run/secrets/file", "32"]
RUN --mount=type=secret,id=variable,env=NAME ["/tool", "variable", "NAME", "32"]
COPY Dockerfile /
`})
	for _, s := range []string{"id=file,src=" + file, "id=variable,env=A_SECRET"} {
		parsed, err := dockerfile.ParseSecret(s)
		if err != nil {
			t.Fatal(err)
		}
		b.Secrets = append(b.Secrets, parsed)
	}
	cache := filepath.Join(t.TempDir(), "cache")
	b.CacheTo = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": cache, "mode": "max"}}}
	st := newStore(t)
	if _, err := b.Run(t.Context(), st, on); err != nil {
		t.Fatal(err)
	}
	t.Logf("looking through the store, the cache and what the builder has")
	for _, dir := range []string{st.Root(), cache, bk.Root()} {
		if n := grep(t, dir, inFile, inVariable); n < 4 {
			t.Errorf("%s has %d files: that is not where things are", dir, n)
		}
	}
}

func secret(t *testing.T) string {
	t.Helper()
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// grep fails where a file below dir has one of the words, packed or not, and
// returns how many files it looked at.
func grep(t *testing.T, dir string, words ...string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what went away meanwhile has no words
		}
		n++
		f, err := os.Open(p)
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		defer f.Close()
		raw, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		texts := [][]byte{raw}
		if z, err := gzip.NewReader(bytes.NewReader(raw)); err == nil {
			unpacked, _ := io.ReadAll(z)
			texts = append(texts, unpacked)
		}
		for _, text := range texts {
			for _, w := range words {
				if bytes.Contains(text, []byte(w)) {
					t.Errorf("%s has a secret", p)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("THERE", "value")
	for s, want := range map[string]dockerfile.Secret{
		"id=a,src=" + file:              {ID: "a", FilePath: file},
		"id=a,source=" + file:           {ID: "a", FilePath: file},
		"type=file,id=a,src=" + file:    {ID: "a", FilePath: file},
		"id=a,env=THERE":                {ID: "a", Env: "THERE"},
		"type=env,id=a,src=THERE":       {ID: "a", Env: "THERE"},
		"id=THERE":                      {ID: "THERE"},
		"\"id=a\",\"src=" + file + "\"": {ID: "a", FilePath: file},
	} {
		if got, err := dockerfile.ParseSecret(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"a":                        "it is not KEY=VALUE",
		"":                         "",
		"src=" + file:              "it has no id",
		"id=a,src=/nowhere/at/all": "no such file",
		"id=a,src=/":               "is a folder",
		"id=a,env=NOT_THERE":       "NOT_THERE is not set",
		"id=NOT_THERE":             "neither a variable nor a file",
		"id=a,type=vault":          "the types are file and env",
		"id=a,scr=x":               `unknown key "scr"`,
	} {
		if _, err := dockerfile.ParseSecret(s); err == nil {
			t.Errorf("%s is a secret", s)
		} else {
			wantIn(t, err.Error(), want)
		}
	}
}

// Commands reach a real agent, and its keys stay there.
func TestSSHAgent(t *testing.T) {
	on := builder(t)
	testtool.Need(t, "ssh-agent", "openssh-client")
	base, _ := published(t, "team/ssh:1")
	dir, err := os.MkdirTemp("", "ssh-") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, key := filepath.Join(dir, "agent"), filepath.Join(dir, "key")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Kill()
		_ = agent.Wait()
	})
	wait(t, "the agent listens", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	t.Setenv("SSH_AUTH_SOCK", socket)
	for _, args := range [][]string{{"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key}, {"ssh-add", "-q", key}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args[0], err, out)
		}
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	ask := `["/tool", "agent", "` + strings.Fields(string(public))[1] + `"]`
	b := newBuild(t, map[string]string{"Dockerfile": "FROM " + base + "\nRUN --mount=type=ssh " + ask + "\nRUN --mount=type=ssh,id=key " + ask + "\n"})
	for _, s := range []string{"default", "key=" + key} {
		a, err := dockerfile.ParseSSH(s)
		if err != nil {
			t.Fatal(err)
		}
		b.SSH = append(b.SSH, a)
	}
	mustRun(t, b, on)
	// Without the flag there is no agent.
	b.SSH, b.NoCache = nil, true
	if _, err := run(t, b, on); err == nil {
		t.Error("there is an agent that nobody gave")
	} else {
		wantIn(t, err.Error(), ">>> RUN --mount=type=ssh")
	}
}

func TestParseSSH(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := dockerfile.ParseSSH("me=" + key); err != nil || a.ID != "me" || len(a.Paths) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := dockerfile.ParseSSH("me=" + key + ",raw=true"); err != nil || !a.Raw {
		t.Errorf("%+v, %v", a, err)
	}
	for s, want := range map[string]string{
		"default":                             "SSH_AUTH_SOCK is not set",
		"":                                    "it has no id",
		"me=/nowhere/key":                     "no such file",
		"me=" + key + ",raw=perhaps":          "write raw=true or raw=false",
		"me=" + key + "," + key + ",raw=true": "exactly one socket",
	} {
		if _, err := dockerfile.ParseSSH(s); err == nil {
			t.Errorf("%s is right", s)
		} else {
			wantIn(t, err.Error(), want)
		}
	}
}
