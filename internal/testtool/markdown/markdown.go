// Package markdown takes the pages of the docs apart, for tests that keep them
// true.
package markdown

import (
	"bytes"
	"os"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Page is one file. Lines are counted from 1.
type Page struct {
	Headings []Heading
	Blocks   []Block
	Spans    []Span // inline code
	Links    []Span // the targets of links and images
}

// Heading is a heading, with the Markdown in it.
type Heading struct {
	Level int
	Text  string
}

// Block is a block of code, fenced or indented.
type Block struct {
	Line    int    // of its first line of code
	Lang    string // "" where none is named
	Text    string // without the last end of line
	Heading string // the last one above it, "" where there is none
	Above   string // the last line of text above it, "" where a heading or another block is between
}

// Span is a piece of a line.
type Span struct {
	Line int
	Text string // with one space for each run of white space
}

// Read takes a file apart.
func Read(path string) (Page, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return Page{}, err
	}
	return Parse(source), nil
}

// Parse takes a file's content apart: CommonMark with tables.
func Parse(source []byte) Page {
	r := reader{source: source}
	parser := goldmark.New(goldmark.WithExtensions(extension.Table)).Parser()
	// The walker returns no error.
	_ = ast.Walk(parser.Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			r.take(n)
		}
		return ast.WalkContinue, nil
	})
	return r.page
}

// reader is in the middle of a page.
type reader struct {
	source         []byte
	page           Page
	heading, above string
}

func (r *reader) take(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		r.heading, r.above = string(bytes.TrimSpace(n.Lines().Value(r.source))), ""
		r.page.Headings = append(r.page.Headings, Heading{n.Level, r.heading})
	case *ast.Paragraph, *ast.TextBlock:
		lines := n.Lines()
		last := lines.At(lines.Len() - 1)
		r.above = string(bytes.TrimSpace(last.Value(r.source)))
	case *ast.FencedCodeBlock:
		r.block(n, string(n.Language(r.source)))
	case *ast.CodeBlock:
		r.block(n, "")
	case *ast.CodeSpan:
		r.page.Spans = append(r.page.Spans, Span{r.line(n), r.text(n)})
	case *ast.Link:
		r.page.Links = append(r.page.Links, Span{r.line(n), string(n.Destination)})
	case *ast.Image:
		r.page.Links = append(r.page.Links, Span{r.line(n), string(n.Destination)})
	}
}

func (r *reader) block(n ast.Node, lang string) {
	b := Block{Lang: lang, Heading: r.heading, Above: r.above}
	if lines := n.Lines(); lines.Len() > 0 {
		b.Line = r.at(lines.At(0).Start)
		b.Text = strings.TrimSuffix(string(lines.Value(r.source)), "\n")
	}
	r.page.Blocks = append(r.page.Blocks, b)
	r.above = ""
}

// at is the line that a byte is in.
func (r *reader) at(offset int) int {
	return 1 + bytes.Count(r.source[:offset], []byte("\n"))
}

// line is where the first text in n is, or where the block begins that n is in.
func (r *reader) line(n ast.Node) int {
	for child := n.FirstChild(); child != nil; child = child.FirstChild() {
		if t, ok := child.(*ast.Text); ok {
			return r.at(t.Segment.Start)
		}
	}
	for ; n != nil; n = n.Parent() {
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			return r.at(n.Lines().At(0).Start)
		}
	}
	return 1
}

// text is all text in n.
func (r *reader) text(n ast.Node) string {
	var all strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if t, ok := child.(*ast.Text); ok {
			all.Write(t.Segment.Value(r.source))
		}
	}
	return strings.Join(strings.Fields(all.String()), " ")
}
