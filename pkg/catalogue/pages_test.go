package catalogue

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/imgbuild/imgbuild/internal/testtool/chromium"
)

// In each language, width and colour scheme nothing is wider than the window,
// nothing is loaded from elsewhere, and no error is reported.
func TestPagesInChromium(t *testing.T) {
	b := open(t, written(t), "en")
	for _, lang := range []string{"", "zh/"} {
		for _, page := range []string{"index.html", "images/golang-1.27.html", "images/node-24.html"} {
			for _, width := range []int64{360, 768, 1280} {
				for _, scheme := range []string{"light", "dark"} {
					name := fmt.Sprintf("%s-%d-%s", strings.NewReplacer("/", "_", ".html", "").Replace(lang+page), width, scheme)
					b.look(t, width, scheme)
					b.visit(t, lang+page)
					b.shot(t, name)
					b.openAll(t)
					b.shot(t, name+"-open")
					if over := chromium.Eval[int](t, b.Tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
						t.Errorf("%s: %d px wider than the window", name, over)
					}
					for _, low := range chromium.Eval[[]string](t, b.Tab, lowContrast) {
						t.Errorf("%s: %s", name, low)
					}
					b.Quiet(t, name)
				}
			}
		}
	}
}

// openAll opens what is collapsed, and waits until it is drawn.
func (b *tab) openAll(t *testing.T) {
	t.Helper()
	chromium.Eval[bool](t, b.Tab, `(document.querySelectorAll('details:not(td details)').forEach(d => { d.open = true; }),
		new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
}

// lowContrast are the texts whose contrast is below 4.5, which WCAG 2.2 asks
// for (1.4.3; the formula is its definition of contrast ratio).
const lowContrast = `(function () {
	function parse(c) { return c.match(/[\d.]+/g).map(Number); }
	function luminance(c) {
		var l = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
		return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2];
	}
	function behind(e) {
		for (; e; e = e.parentElement) {
			var c = parse(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1) { return c; }
			if (c[3] !== 0) { throw new Error('a translucent background'); }
		}
		throw new Error('no background');
	}
	var low = {}, seen = 0;
	var walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		var e = walker.currentNode.parentElement;
		if (!walker.currentNode.data.trim() || !e.checkVisibility() || /^(SCRIPT|STYLE)$/.test(e.tagName)) { continue; }
		seen++;
		var a = luminance(parse(getComputedStyle(e).color)), b = luminance(behind(e));
		var ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) { low[e.tagName + '.' + e.className + ' ' + ratio.toFixed(2)] = 1; }
	}
	if (seen < 40) { throw new Error('only ' + seen + ' texts'); }
	return Object.keys(low);
})()`

// The browser's own tree for screen readers has a name for all that can be
// used, headings that go down one by one, and landmarks.
func TestForScreenReaders(t *testing.T) {
	b := open(t, written(t), "en")
	for _, page := range []string{"index.html", "zh/images/golang-1.27.html"} {
		b.visit(t, page)
		b.openAll(t)
		roles := map[string]int{}
		level := 0
		for _, n := range chromium.Call(t, b.Tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
			if n.Ignored || n.Role == nil {
				continue
			}
			role, name := axText(n.Role), axText(n.Name)
			roles[role]++
			switch role {
			case "link", "button", "combobox", "checkbox", "searchbox", "heading":
				if strings.TrimSpace(name) == "" {
					t.Errorf("%s: a %s has no name", page, role)
				}
			}
			if role == "heading" {
				for _, p := range n.Properties {
					if p.Name == "level" {
						now, err := strconv.Atoi(axText(p.Value))
						if err != nil || now > level+1 {
							t.Errorf("%s: the heading %q has level %s after %d", page, name, axText(p.Value), level)
						}
						level = now
					}
				}
			}
		}
		for _, role := range []string{"main", "banner", "contentinfo", "heading", "combobox", "checkbox", "button"} {
			if roles[role] == 0 {
				t.Errorf("%s has no %s: %v", page, role, roles)
			}
		}
		if page != "index.html" && (roles["table"] < 5 || roles["row"] < 80 || roles["searchbox"] != 1) {
			t.Errorf("%s: the tables are not tables: %v", page, roles)
		}
		// On a phone the table of packages is drawn as a list, and still a table.
		b.look(t, 360, "light")
		if page != "index.html" {
			n := 0
			for _, node := range chromium.Call(t, b.Tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
				if node.Role != nil && axText(node.Role) == "row" {
					n++
				}
			}
			if n < 80 {
				t.Errorf("on a phone there are %d rows", n)
			}
		}
	}
}

func axText(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	return strings.Trim(string(v.Value), `"`)
}

// With the keyboard alone the first line is reached and copied: every control
// is in the order of the tab key and shows that it has the focus.
func TestKeyboard(t *testing.T) {
	b := open(t, written(t), "en")
	allowClipboard(t, b)
	b.visit(t, "index.html")
	var order []string
	for range 12 {
		b.Do(t, chromedp.KeyEvent(kb.Tab))
		at := chromium.Eval[string](t, b.Tab, `(e => e.id || e.className || e.dataset.for || e.textContent)(document.activeElement)`)
		if order = append(order, at); at == "from-golang-1.27" {
			break
		}
		if !chromium.Eval[bool](t, b.Tab, `getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
			t.Errorf("%s does not show that it has the focus", at)
		}
	}
	if want := "skip lang golang node region vpc pin golang:1.27 7 changes since 1.27.2 from-golang-1.27"; strings.Join(order, " ") != want {
		t.Errorf("the order is %q, not %q", order, want)
	}
	got := b.copied(t, "from-golang-1.27", func(string) chromedp.Action[chromedp.Void] { return chromedp.KeyEvent(kb.Enter) })
	if got != "FROM registry.cn-hangzhou.aliyuncs.com/your-team/golang:1.27" {
		t.Errorf("copied was %q", got)
	}
}

// On paper there are no controls, and what is collapsed is open.
func TestPrint(t *testing.T) {
	b := open(t, written(t), "en")
	b.visit(t, "images/golang-1.27.html")
	chromium.Call(t, b.Tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	b.shot(t, "print")
	if n := chromium.Eval[int](t, b.Tab, `Array.from(document.querySelectorAll('button, form, input, .lang')).filter(e => e.checkVisibility()).length`); n != 0 {
		t.Errorf("%d controls are printed", n)
	}
	if n := chromium.Eval[int](t, b.Tab, `Array.from(document.querySelectorAll('.packages tbody tr')).filter(e => e.getBoundingClientRect().height > 0).length`); n != 75 {
		t.Errorf("%d of 75 packages are printed", n)
	}
}
