package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// aptScript is what a user's Dockerfile does, with looks in between.
const aptScript = `set -euxo pipefail
export DEBIAN_FRONTEND=noninteractive
test -z "$(dpkg --audit)"
dpkg-query -f '${Package}:${Architecture}\n' -W | sort > /tmp/before
apt-get update
apt-get install -y --no-install-recommends python3 git gcc
test -z "$(dpkg --audit)"
python3 -c 'import json, ssl; print("python", json.dumps(1 + 1))'
git init --quiet /tmp/repository && git -C /tmp/repository status --short
apt-get install -y --no-install-recommends libc6-dev
cd /code && CGO_ENABLED=1 go run . | grep -x 'C says 42'
apt-get check
apt-get purge -y --autoremove python3 git gcc libc6-dev
test -z "$(dpkg --audit)"
dpkg-query -f '${Package}:${Architecture}\n' -W | sort > /tmp/after
# All that was there is there, some of it newer than the lock says if Debian has
# put out updates since (libc6-dev wants libc6 of its own version). More may be:
# what an old package recommends, such as libidn2-0 for libc6, apt keeps.
test -z "$(comm -23 /tmp/before /tmp/after)"
for gone in python3 git gcc libc6-dev perl binutils; do
	[[ "$(dpkg-query -W -f '${db:Status-Status}' $gone)" == @(|not-installed) ]]
done
ldconfig -p | grep -q libc.so.6
bash -c 'echo still here'
`

const cgoProgram = `package main

// static int answer(void) { return 42; }
import "C"
import "fmt"

func main() { fmt.Println("C says", C.answer()) }
`

// Debian's own package manager works in a full image: the database that
// imgbuild wrote without running a script is one that apt and dpkg take for
// theirs.
func TestAptGet(t *testing.T) {
	d := docker(t)
	dir := write(t, map[string]string{
		"script":  aptScript,
		"go.mod":  "module example.com/cgo\n\ngo 1.26\n",
		"main.go": cgoProgram,
		"Dockerfile": `ARG BASE
FROM ${BASE}
ARG DEBIAN
ARG SECURITY
RUN sed -i -E -e "s#^URIs: .*/debian-security/?\$#URIs: ${SECURITY}#" -e "s#^URIs: .*/debian/?\$#URIs: ${DEBIAN}#" /etc/apt/sources.list.d/debian.sources && \
    test "$(grep -c "^URIs: http://127.0.0.1" /etc/apt/sources.list.d/debian.sources)" = 2
COPY . /code
RUN bash /code/script
`})
	r := relay(t)
	built := dockerBuild(t, d, dir, "Dockerfile", map[string]string{
		"BASE": image(t, "golang:latest"), "DEBIAN": r.URL(mirror.Debian), "SECURITY": r.URL(mirror.DebianSecurity)})
	out := dockerRun(t, d, "run", "--rm", "--network", "none", built, "bash", "-c", "ls /usr/bin/gcc /usr/bin/python3 2>/dev/null; go version")
	if !strings.HasPrefix(out, "go version go"+version(t, "golang:latest")) {
		t.Errorf("after removal: %q", out)
	}
}

// The languages' own tools work in the full images.
func TestTools(t *testing.T) {
	d := docker(t)
	r := relay(t)
	for _, c := range []struct {
		image, script string
		files         map[string]string
	}{
		{"golang:latest", `go vet ./... && go test ./... && go build -o /tmp/m . && /tmp/m | grep -x hello && go install . && m | grep -x hello`,
			map[string]string{
				"go.mod":      "module example.com/m\n\ngo 1.26\n",
				"main.go":     "package main\n\nimport \"fmt\"\n\nfunc greeting() string { return \"hello\" }\n\nfunc main() { fmt.Println(greeting()) }\n",
				"one_test.go": "package main\n\nimport \"testing\"\n\nfunc TestGreeting(t *testing.T) {\n\tif greeting() != \"hello\" {\n\t\tt.Fail()\n\t}\n}\n",
			}},
		{"node:latest", `npm install --no-audit --no-fund is-number@7.0.0 && node index.js && npx --yes semver@7.7.1 1.2.3 | grep -x 1.2.3`,
			map[string]string{
				"package.json": `{"name": "m", "version": "1.0.0", "private": true}`,
				"index.js":     `if (!require("is-number")("12")) process.exit(1)`,
			}},
		{"typescript:latest", `tsc --noEmit false --outDir /tmp/out good.ts && node /tmp/out/good.js | grep -x 3 && ! tsc --noEmit bad.ts > /tmp/said && grep -q TS2322 /tmp/said`,
			map[string]string{
				"good.ts": "const add = (a: number, b: number): number => a + b;\nconsole.log(add(1, 2));\nexport {};\n",
				"bad.ts":  "export const n: number = \"text\";\n",
			}},
	} {
		t.Run(c.image, func(t *testing.T) {
			dir := write(t, c.files)
			if err := os.WriteFile(filepath.Join(dir, "script"), []byte("set -exo pipefail\n"+c.script+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			dockerRun(t, d, "run", "--rm", "--network", "host", "--entrypoint", "bash", "--volume", dir+":/code",
				"--env", "GOPROXY="+r.URL(mirror.Go), "--env", "npm_config_registry="+r.URL(mirror.NPM), image(t, c.image), "/code/script")
		})
	}
}
