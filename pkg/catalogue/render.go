package catalogue

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/release"
)

//go:embed page/*.html
var pages embed.FS

//go:embed page/page.css
var css string

//go:embed page/page.js
var js string

// policy lets a page use its own style and script, which are in it, and
// nothing else: no request leaves it, and no text of a report can become code.
// (https://www.w3.org/TR/CSP3/: hashes are of the text between the tags.)
var policy = sync.OnceValue(func() string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action 'none'", hash(css), hash(js))
})

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{
		"bytes":  bytesText,
		"day":    day,
		"langOf": languageOf,
		"delta":  func(s size) string { return deltaText(s.Now - s.Before) },
		"dict":   dict,
	}).ParseFS(pages, "page/*.html"))
})

// view is what a template gets.
type view struct {
	T      words
	Lang   string
	Other  *language
	Report *release.Report
	// Up is the way from the page to the catalogue's folder, Home to the
	// index in the page's language, OtherPage to the same page in the other.
	Up, Home, OtherPage string
	Title               string
	Policy              string
	Style, Script       template.HTML
	Groups              []group // in an index
	Image               *image  // in an image's page
}

// group is the images of one name.
type group struct {
	Name, Title, Description, ID string
	Images                       []*image
}

func (s *site) view(l *language) view {
	return view{
		T: l.text, Lang: l.Tag, Other: l.other(), Report: s.report, Policy: policy(),
		// These two are ours, and their hashes are of exactly these bytes.
		Style:  template.HTML("<style>" + css + "</style>"),  //nolint:gosec
		Script: template.HTML("<script>" + js + "</script>"), //nolint:gosec
	}
}

func (s *site) indexPage(l *language) ([]byte, error) {
	v := s.view(l)
	v.Title = s.report.Name
	if v.Title == "" {
		v.Title = l.text.Catalogue
	}
	if l.dir != "" {
		v.Up = "../"
	}
	v.OtherPage = v.Up + l.other().dir + "index.html"
	v.Groups = s.groups()
	return execute("index.html", v)
}

func (s *site) imagePage(l *language, img *image) ([]byte, error) {
	v := s.view(l)
	v.Title = img.Name + ":" + img.Tag
	// With a fragment the index stays in the language of this page.
	v.Home, v.Up = "../index.html#images", "../"
	if l.dir != "" {
		v.Up = "../../"
	}
	v.OtherPage = v.Up + l.other().dir + img.File
	v.Image = img
	return execute("image.html", v)
}

// groups are the images by name, in the order of the report.
func (s *site) groups() []group {
	var groups []group
	for _, img := range s.images {
		i := slices.IndexFunc(groups, func(g group) bool { return g.Name == img.Name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{Name: img.Name, Title: img.Title, Description: img.Description, ID: fmt.Sprintf("name-%d", i+1)})
		}
		groups[i].Images = append(groups[i].Images, img)
	}
	return groups
}

func execute(name string, v view) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(mark)
	if err := templates().ExecuteTemplate(&b, name, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// ChangeKind is what a change is about.
func (w words) ChangeKind(kind string) string {
	switch kind {
	case lock.ChangeDefinition:
		return w.KindDefinition
	case lock.ChangeArchive:
		return w.KindArchive
	case lock.ChangeVersion:
		return w.KindVersion
	case lock.ChangePackage:
		return w.KindPackage
	case lock.ChangeScript:
		return w.KindScript
	case lock.ChangeLayer:
		return w.KindLayer
	}
	return kind
}

// AttachmentKind is what an attachment is.
func (w words) AttachmentKind(kind string) string {
	switch kind {
	case "signature":
		return w.Signature
	case "sbom":
		return w.SBOM
	case "provenance":
		return w.Provenance
	case "source":
		return w.Source
	}
	return kind
}

// ProofStatus is a status of a proof.
func (w words) ProofStatus(status string) string {
	switch status {
	case "passed":
		return w.Passed
	case "skipped":
		return w.Skipped
	case "failed":
		return w.FailedStatus
	}
	return status
}

func deltaText(n int64) string {
	switch {
	case n > 0:
		return "+" + bytesText(n)
	case n < 0:
		return "−" + bytesText(-n)
	}
	return "±0"
}

// dict makes a map of its arguments, key and value in turn, for templates
// that take several.
func dict(args ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		m[args[i].(string)] = args[i+1]
	}
	return m
}
