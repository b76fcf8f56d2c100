package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/imgbuild/imgbuild/internal/testtool/chromium"
)

func text(t *testing.T, b *chromium.Tab, id string) string {
	t.Helper()
	return chromium.Eval[string](t, b, `document.getElementById('`+id+`').textContent`)
}

// shows waits until an element has a text.
func shows(t *testing.T, b *chromium.Tab, id, want string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !strings.Contains(text(t, b, id), want); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("#%s shows %q, not %q", id, text(t, b, id), want)
		}
	}
}

// The page in a real Chromium: invoke, read the log, see an error.
func TestPage(t *testing.T) {
	s := serve(t, func(n int32) http.Handler {
		if n == 2 {
			return nil
		}
		return echo(n)
	})
	b := chromium.Open(t, s.url, "en")
	b.Do(t, chromedp.Navigate(s.url+"/"), chromedp.WaitReady(chromedp.CSS("#function option")))
	set := func(id, value string) {
		t.Helper()
		chromium.Eval[string](t, b, `(e => { e.value = `+"`"+value+"`"+`; e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true})); return e.value })(document.getElementById('`+id+`'))`)
	}
	press := func(form string) { t.Helper(); b.Do(t, chromedp.Click(chromedp.CSS("#"+form+" button"))) }

	set("event", `{"a": 1}`)
	press("invoke")
	shows(t, b, "answer", `1: POST /invoke {"a": 1}`)
	shows(t, b, "summary", "cold")
	shows(t, b, "log", "FC Invoke End RequestId")
	shows(t, b, "state", "ready")

	set("path", "/page?x=<b>")
	press("request")
	shows(t, b, "answer", "1: GET /page?x=")
	shows(t, b, "summary", "200")

	set("event", "bad")
	press("invoke")
	shows(t, b, "summary", "UnhandledInvocationError")
	b.Quiet(t, "calls")

	s.Changed("hello")
	press("invoke")
	shows(t, b, "answer", "main.go:3: the reason is here")
	shows(t, b, "state", "failed")
	if !chromium.Eval[bool](t, b, `document.getElementById('log').querySelector('.failed') !== null`) {
		t.Error("the failure is not marked in the log")
	}

	set("function", "other")
	if chromium.Eval[bool](t, b, `document.getElementById('request').checkVisibility()`) {
		t.Error("a function without a trigger shows one")
	}
	press("invoke")
	shows(t, b, "answer", "1: POST /invoke bad")
	shows(t, b, "log", "[other] FC Invoke End")

	zh := chromium.Open(t, s.url, "zh-CN,zh")
	zh.Do(t, chromedp.Navigate(s.url+"/"), chromedp.WaitReady(chromedp.CSS(`html[lang="zh-CN"] #function option`)))
	shows(t, zh, "invoke", "调用")
	zh.Quiet(t, "in Chinese")
}
