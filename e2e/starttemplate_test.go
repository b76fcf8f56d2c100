package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/internal/testtool/chromium"
)

const customTemplate = `edition: 3.0.0
resources:
  hello:
    component: fc3
    props:
      region: cn-hangzhou
      functionName: hello
      runtime: custom.debian10
      handler: index.handler
      code: ./code
      memorySize: 512
      environmentVariables:
        GREETING: hello
        OWN_PORT: "%s"
      triggers:
        - triggerName: http
          triggerType: http
          triggerConfig: {authType: anonymous, methods: [GET, POST]}
`

const customBootstrap = `#!/usr/bin/env node
require('http').createServer((req, res) => {
  req.resume().on('end', () => res.end(process.env.GREETING + ' from ' + req.url));
}).listen(process.env.OWN_PORT);
`

// The functions of a template, with its page in a real Chromium: a call, an edit
// of the template, the next call. The code package has a port written into it, so
// the old one has to go before the new one comes.
func TestStartTemplate(t *testing.T) {
	testtool.Need(t, "node", "nodejs")
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(testtool.FreeAddress(t))
	text := fmt.Sprintf(customTemplate, port)
	file := filepath.Join(dir, "s.yaml")
	write := func(path, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "code"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(dir, "code", "bootstrap"), customBootstrap, 0o755)
	write(file, text, 0o644)

	url := run{}.serve(t, "start", "-t", file, "--port", "0")
	b := chromium.Open(t, url, "en")
	b.Do(t, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("#function option")))
	asks := func(want string) {
		t.Helper()
		shown := ""
		for until := time.Now().Add(time.Minute); !strings.Contains(shown, want); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("the page shows %q, not %q", shown, want)
			}
			b.Do(t, chromedp.Click(chromedp.CSS("#invoke button")))
			shown = chromium.Eval[string](t, b, `document.getElementById('answer').textContent`)
		}
	}
	asks("hello from /invoke")
	waitFor(t, url, "hello from /")
	write(file, strings.Replace(text, "GREETING: hello", "GREETING: good day", 1), 0o644)
	waitFor(t, url, "good day from /")
	asks("good day from /invoke")
	write(file, strings.Replace(text, "functionName: hello", "functionName: other", 1), 0o644)
	waitFor(t, url, "")
}
