package markdown

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const page = "# A page of `code`\n" +
		"\n" +
		"It has [a link](to.md#there), an ![image](a.png) and `a span\n" +
		"over two lines`. Then [one `more`](x.md):\n" +
		"\n" +
		"```sh\n" +
		"make\n" +
		"\n" +
		"    test\n" +
		"```\n" +
		"\n" +
		"```text\n" +
		"ok\n" +
		"```\n" +
		"\n" +
		"    indented `no span`\n" +
		"\n" +
		"## Lists and tables\n" +
		"\n" +
		"- in a list:\n" +
		"\n" +
		"  ```yaml\n" +
		"  a: b\n" +
		"    c: d\n" +
		"  ```\n" +
		"\n" +
		"| `a\\|b` | c |\n" +
		"|---|---|\n" +
		"| d | [e](f) |\n"
	want := Page{
		Headings: []Heading{{1, "A page of `code`"}, {2, "Lists and tables"}},
		Blocks: []Block{
			{6 + 1, "sh", "make\n\n    test", "A page of `code`", "over two lines`. Then [one `more`](x.md):"},
			{12 + 1, "text", "ok", "A page of `code`", ""},
			{16, "", "indented `no span`", "A page of `code`", ""},
			{23, "yaml", "a: b\n  c: d", "Lists and tables", "in a list:"},
		},
		Spans: []Span{{1, "code"}, {3, "a span over two lines"}, {4, "more"}, {27, "a|b"}},
		Links: []Span{{3, "to.md#there"}, {3, "a.png"}, {4, "x.md"}, {29, "f"}},
	}
	if diff := cmp.Diff(want, Parse([]byte(page))); diff != "" {
		t.Error(diff)
	}
}
