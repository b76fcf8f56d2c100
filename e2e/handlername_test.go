package e2e

import (
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/internal/testtool"
)

// A template's handler is the export that is called, whatever its name is.
func TestHandlerOfTemplate(t *testing.T) {
	testtool.NeedRoot(t)
	dir := write(t, map[string]string{
		"app.js": "exports.main = async (event) => `main got ${event}`;\nexports.handler = async (event) => `handler got ${event}`;\n",
		"s.yaml": `edition: 3.0.0
name: hello
access: default
resources:
  hello:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: hello
      runtime: custom-container
      handler: app.main
      customContainerConfig:
        image: registry.cn-hangzhou.aliyuncs.com/team/hello:1
        port: 8080
`})
	if said := (run{}).do(t, "build", dir); said.code != 0 || !strings.Contains(said.stderr, "starts the handler app.main (its template's)") {
		t.Errorf("build: exit %d: %s", said.code, said.stderr)
	}
	if out := (run{}).ok(t, "invoke", dir, "-e", "x"); !strings.HasSuffix(strings.TrimSpace(out), "main got x") {
		t.Errorf("it prints %q", out)
	}
}
