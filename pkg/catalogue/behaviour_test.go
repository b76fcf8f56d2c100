package catalogue

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/imgbuild/imgbuild/internal/testtool/chromium"
)

// shown are the lines in the page that are visible and begin with FROM.
const shown = `Array.from(document.querySelectorAll('code.line')).filter(e => e.checkVisibility()).map(e => e.textContent).filter(t => t.startsWith('FROM '))`

// choose makes the choices as a reader does: the controls' own events.
func (b *tab) choose(t *testing.T, region string, vpc, pin bool) {
	t.Helper()
	set := func(id string, on bool) {
		if chromium.Eval[bool](t, b.Tab, `document.getElementById('`+id+`').checked`) != on {
			b.Do(t, chromedp.Click(chromedp.CSS("#"+id)))
		}
	}
	chromium.Eval[bool](t, b.Tab, `(function () { var r = document.getElementById('region'); r.value = '`+region+`';
		r.dispatchEvent(new Event('change', {bubbles: true})); return true; })()`)
	set("vpc", vpc)
	set("pin", pin)
}

func TestChoosingARegion(t *testing.T) {
	r := theReport(t)
	b := open(t, written(t), "en")
	b.visit(t, "index.html")
	for _, c := range []struct {
		region   string
		vpc, pin bool
		image    int
		want     string
	}{
		{"cn-hangzhou", false, false, 0, "FROM registry.cn-hangzhou.aliyuncs.com/your-team/golang:1.27"},
		{"cn-shanghai", false, false, 1, "FROM registry.cn-shanghai.aliyuncs.com/your-team/golang:1.27-slim"},
		{"cn-shanghai", true, false, 0, "FROM registry-vpc.cn-shanghai.aliyuncs.com/your-team/golang:1.27"},
		{"cn-beijing", true, true, 0, "FROM your-team-registry-vpc.cn-beijing.cr.aliyuncs.com/base/golang:1.27@" + r.Images[0].Digest},
		// The tag is left at another image there.
		{"cn-shanghai", false, false, 3, "FROM registry.cn-shanghai.aliyuncs.com/your-team/node:24@" + r.Images[3].Digest},
		{"cn-hangzhou", false, false, 3, "FROM registry.cn-hangzhou.aliyuncs.com/your-team/node:24"},
		// The image is not there, so the line stays the first region's.
		{"ap-southeast-1", false, false, 2, "FROM registry.cn-hangzhou.aliyuncs.com/your-team/golang:1.26"},
		{"registry.example.com/base", false, false, 0, "FROM registry.example.com/base/golang:1.27"},
	} {
		b.choose(t, c.region, c.vpc, c.pin)
		lines := chromium.Eval[[]string](t, b.Tab, shown)
		if len(lines) != len(r.Images) || lines[c.image] != c.want {
			t.Errorf("%s, VPC %v, pinned %v: the lines are %q, not %s", c.region, c.vpc, c.pin, lines, c.want)
		}
	}
	if !chromium.Eval[bool](t, b.Tab, `document.getElementById('vpc').disabled`) {
		t.Error("a registry without a VPC host offers one")
	}
	b.choose(t, "ap-southeast-1", false, true)
	notes := chromium.Eval[[]string](t, b.Tab, `Array.from(document.querySelectorAll('.note')).filter(e => e.checkVisibility()).map(e => e.textContent)`)
	if len(notes) != 1 || notes[0] != english.AbsentHere {
		t.Errorf("the notes are %q", notes)
	}
	// The choice holds on other pages, in the other language and next time.
	b.visit(t, "zh/images/golang-1.27.html")
	want := "FROM crpi-0a1b2c3d4e5f6g7h.ap-southeast-1.personal.cr.aliyuncs.com/your-team/golang:1.27@" + r.Images[0].Digest
	if lines := chromium.Eval[[]string](t, b.Tab, shown); len(lines) != 1 || lines[0] != want {
		t.Errorf("on another page the lines are %q", lines)
	}
	for id, want := range map[string]string{
		"imgbuild": "imgbuild verify " + strings.TrimPrefix(want, "FROM ") + " --key cosign.pub",
		"cosign":   "cosign verify --key cosign.pub --private-infrastructure " + strings.TrimPrefix(want, "FROM "),
	} {
		if got := chromium.Eval[string](t, b.Tab, `document.getElementById('`+id+`').textContent`); got != want {
			t.Errorf("the command is %q, not %q", got, want)
		}
	}
	b.Quiet(t, "choosing")
}

func TestCopy(t *testing.T) {
	b := open(t, written(t), "en")
	allowClipboard(t, b)
	b.visit(t, "index.html")
	b.choose(t, "cn-beijing", true, true)
	want := "FROM your-team-registry-vpc.cn-beijing.cr.aliyuncs.com/base/node:24-slim@" + theReport(t).Images[4].Digest
	if got := b.copied(t, "from-node-24-slim", clickIt); got != want {
		t.Errorf("copied was %q, not %q", got, want)
	}
	b.visit(t, "images/node-24.html")
	b.openAll(t)
	if got := b.copied(t, "key", clickIt); got != theReport(t).PublicKey {
		t.Errorf("the copied key is %q", got)
	}
	// Where the page came over plain HTTP browsers have no clipboard object.
	chromium.Eval[bool](t, b.Tab, `(window.clipboard = navigator.clipboard, Object.defineProperty(navigator, 'clipboard', {value: undefined}), true)`)
	if got := b.copied(t, "from-node-24", clickIt); !strings.HasPrefix(got, "FROM ") || !strings.Contains(got, "/node:24@") {
		t.Errorf("copied without a clipboard was %q", got)
	}
	b.Quiet(t, "copying")
}

// copied presses the button of an element and returns what the clipboard has
// when the button and the line for screen readers have said so; they say it for
// two seconds only.
func (b *tab) copied(t *testing.T, id string, press func(button string) chromedp.Action[chromedp.Void]) string {
	t.Helper()
	button := `[data-for="` + id + `"]`
	chromium.Eval[bool](t, b.Tab, `(window.said = Promise.all([document.querySelector('`+button+`'), document.getElementById('said')].map(e =>
		new Promise(done => new MutationObserver(() => e.textContent === '`+english.Copied+`' && done(true)).observe(e, {childList: true})))), true)`)
	b.Do(t, press(button))
	return chromium.Eval[string](t, b.Tab, `window.said.then(() => (window.clipboard || navigator.clipboard).readText())`)
}

func clickIt(button string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(button))
}

func allowClipboard(t *testing.T, b *tab) {
	t.Helper()
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := chromedp.CallBrowser(b.Context, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilter(t *testing.T) {
	b := open(t, written(t), "en")
	b.visit(t, "zh/images/node-24.html")
	if chromium.Eval[bool](t, b.Tab, `document.getElementById('filter').checkVisibility()`) {
		t.Error("the list is not collapsed")
	}
	b.Do(t, chromedp.Click(chromedp.CSS("#packages > summary")))
	const rows = `Array.from(document.querySelectorAll('.packages tbody tr')).filter(e => e.checkVisibility()).map(e => e.cells[0].textContent)`
	if n := len(chromium.Eval[[]string](t, b.Tab, rows)); n != 77 {
		t.Errorf("%d rows", n)
	}
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#filter"), "Artistic 12.2"))
	if got := chromium.Eval[[]string](t, b.Tab, rows); len(got) != 1 || got[0] != "npm" {
		t.Errorf("filtered are %q", got)
	}
	if got := chromium.Eval[string](t, b.Tab, `document.getElementById('shown').textContent`); got != "1 / 77 个软件包" {
		t.Errorf("the count is %q", got)
	}
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#filter"), " no such thing"))
	if got := chromium.Eval[[]string](t, b.Tab, rows); len(got) != 0 {
		t.Errorf("filtered are %q", got)
	}
	b.Quiet(t, "filtering")
}

// Without JavaScript all is there; what only a script can do is not.
func TestWithoutJavaScript(t *testing.T) {
	b := open(t, written(t), "zh-CN")
	chromium.Call(t, b.Tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.look(t, 360, "light")
	b.visit(t, "index.html")
	b.shot(t, "no-js-index")
	if got := chromium.Eval[string](t, b.Tab, `document.documentElement.lang`); got != "en" {
		t.Errorf("the page is in %s", got)
	}
	if lines := chromium.Eval[[]string](t, b.Tab, shown); len(lines) != 5 || lines[0] != "FROM registry.cn-hangzhou.aliyuncs.com/your-team/golang:1.27" {
		t.Errorf("the lines are %q", lines)
	}
	b.Do(t, chromedp.Click(chromedp.CSS("#lang")), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] footer`)))
	b.Do(t, chromedp.Click(chromedp.CSS("h3 a")), chromedp.WaitReady(chromedp.CSS(`#packages`)))
	b.Do(t, chromedp.Click(chromedp.CSS("#packages > summary")))
	if !chromium.Eval[bool](t, b.Tab, `document.querySelector('.packages').checkVisibility()`) {
		t.Error("the list does not open")
	}
	b.Do(t, chromedp.Click(chromedp.CSS("#from ~ details > summary")))
	if !chromium.Eval[bool](t, b.Tab, `Array.from(document.querySelectorAll('.places code')).some(e => e.checkVisibility() && e.textContent === 'FROM registry-vpc.cn-shanghai.aliyuncs.com/your-team/golang:1.27')`) {
		t.Error("the lines of other regions are not shown")
	}
	b.shot(t, "no-js-image")
	if n := chromium.Eval[int](t, b.Tab, `Array.from(document.querySelectorAll('button, form, input')).filter(e => e.checkVisibility()).length`); n != 0 {
		t.Errorf("%d controls that do nothing are shown", n)
	}
	b.Quiet(t, "without JavaScript")
}

func TestLanguage(t *testing.T) {
	dir := written(t)
	// The server leaves the name of an index out.
	here := func(b *tab) string {
		return strings.Replace(chromium.Eval[string](t, b.Tab, `location.href`)[len(b.Base):], "index.html", "", 1)
	}
	zh := open(t, dir, "zh-CN,zh")
	zh.Do(t, chromedp.Navigate(zh.Base), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] footer`)))
	if got := here(zh); got != "zh/" {
		t.Errorf("a Chinese browser is shown %q", got)
	}
	// The choice is kept, also on the way back from an image.
	zh.Do(t, chromedp.Click(chromedp.CSS("#lang")), chromedp.WaitReady(chromedp.CSS(`html[lang="en"] footer`)))
	zh.visit(t, "index.html")
	if got := here(zh); got != "" {
		t.Errorf("who chose English is shown %q", got)
	}
	zh.Do(t, chromedp.Click(chromedp.CSS("h3 a")), chromedp.WaitReady(chromedp.CSS(`#packages`)))
	zh.Do(t, chromedp.Click(chromedp.CSS("#lang")), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] #packages`)))
	if got := here(zh); got != "zh/images/golang-1.27.html" {
		t.Errorf("the same page in Chinese is %s", got)
	}
	zh.Do(t, chromedp.Click(chromedp.CSS(".home")), chromedp.WaitReady(chromedp.CSS(`#images`)))
	if got := here(zh); got != "zh/#images" {
		t.Errorf("all images are at %s", got)
	}
	zh.Quiet(t, "Chinese")

	de := open(t, dir, "de")
	de.visit(t, "")
	if got := chromium.Eval[string](t, de.Tab, `document.documentElement.lang`); got != "en" {
		t.Errorf("a German browser is shown %s", got)
	}
	de.Do(t, chromedp.Click(chromedp.CSS("#lang")), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] footer`)))
	de.Do(t, chromedp.Navigate(de.Base), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] footer`)))
	de.Quiet(t, "German")
}

// The folder is used as it is, without a server.
func TestFromAFolder(t *testing.T) {
	dir := written(t)
	b := &tab{chromium.Open(t, (&url.URL{Scheme: "file", Path: dir + "/"}).String(), "en")}
	allowClipboard(t, b)
	b.visit(t, "index.html")
	b.choose(t, "cn-shanghai", false, false)
	b.Do(t, chromedp.Click(chromedp.CSS("h3 a")), chromedp.WaitReady(chromedp.CSS(`#packages`)))
	if lines := chromium.Eval[[]string](t, b.Tab, shown); len(lines) != 1 || lines[0] != "FROM registry.cn-shanghai.aliyuncs.com/your-team/golang:1.27" {
		t.Errorf("the lines are %q", lines)
	}
	b.Do(t, chromedp.Click(chromedp.CSS("#lang")), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] footer`)))
	b.Quiet(t, "from a folder")
}
