package docs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
)

// Every command line of imgbuild that the docs show is one that it takes: the
// command, its flags, the image and its tag, the path.
func TestCommands(t *testing.T) {
	b := theImgbuild(t)
	checked := 0
	for _, p := range pages(t) {
		check := func(line int, text string) {
			for _, words := range calls(text) {
				checked++
				if err := b.check(words); err != nil {
					t.Errorf("%s:%d: imgbuild %s: %v", p.path, line, strings.Join(words, " "), err)
				}
			}
		}
		for _, block := range p.Blocks {
			if block.Lang != "" && block.Lang != "sh" {
				continue
			}
			for i, line := range strings.Split(block.Text, "\n") {
				check(block.Line+i, line)
			}
		}
		for _, s := range p.Spans {
			check(s.Line, s.Text)
		}
	}
	// Those in the README of a function that init writes.
	for _, s := range scaffold.Templates("") {
		files, err := s.Files("hello")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range files {
			if f.Path != "README.md" {
				continue
			}
			for i, line := range strings.Split(string(f.Data), "\n") {
				for _, words := range calls(strings.TrimSpace(line)) {
					n++
					if err := b.check(words); err != nil {
						t.Errorf("%s %s: README.md:%d: imgbuild %s: %v", s.Language, s.Name, i+1, strings.Join(words, " "), err)
					}
				}
			}
		}
		if n < 3 {
			t.Errorf("%s %s: the README has %d commands, want at least three", s.Language, s.Name, n)
		}
	}
	if checked < 40 {
		t.Errorf("%d commands were checked; the docs have more", checked)
	}
}

// A check that lets everything through would look the same.
func TestCommandsThatAreWrong(t *testing.T) {
	b := theImgbuild(t)
	for line, want := range map[string]string{
		"imgbuild golang --psuh":                        "--psuh",
		"imgbuild golang:9.99":                          "9.99",
		"imgbuild chekc golang":                         "chekc",
		"imgbuild list --push":                          "--push",
		"imgbuild copy golang.tar base/golang":          "not a host",
		"imgbuild schema golang":                        "golang",
		"imgbuild init cobol hello":                     "no language cobol",
		"$ imgbuild ./examples/cobol":                   "cobol",
		"imgbuild lock golang --update=x --compression": "--compression",
		"A=b go run ./cmd/imgbuild node | imgbuild nod": "nod",
	} {
		var err error
		for _, words := range calls(line) {
			if e := b.check(words); e != nil {
				err = e
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %s", line, err, want)
		}
	}
}

var separatorRE = regexp.MustCompile(`\|\|?|&&?|;`)

// calls returns the arguments of each call of imgbuild in a line of shell.
func calls(line string) [][]string {
	line, _, _ = strings.Cut(line, " #")
	var all [][]string
	for _, part := range separatorRE.Split(line, -1) {
		words := strings.Fields(part)
		for len(words) > 0 && (words[0] == "$" || strings.Contains(words[0], "=")) {
			words = words[1:]
		}
		switch {
		case len(words) > 0 && (words[0] == "imgbuild" || words[0] == "./imgbuild"):
			all = append(all, words[1:])
		case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/imgbuild":
			all = append(all, words[3:])
		}
	}
	return all
}

// check says what is wrong with the arguments of a call.
func (b *built) check(words []string) error {
	name := ""
	if len(words) > 0 && b.commands[words[0]] != nil {
		name, words = words[0], words[1:]
	}
	known := b.commands[name]
	if name == "bundle" && len(words) == 3 && words[0] == "unpack" { // of any file, into a folder of any name
		return nil
	}
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch {
		case word == ">" || word == "…" || word == "..." || strings.HasPrefix(word, ">"):
			return nil
		case strings.HasPrefix(word, "-"):
			flag, _, joined := strings.Cut(word, "=")
			value, ok := known[flag]
			if !ok {
				return fmt.Errorf("there is no flag %s", flag)
			}
			// In running text a flag may stand without its value.
			if value && !joined && len(words) > 0 {
				words = words[1:]
			}
		case name == "schema":
			if word != "image" && word != "release" {
				return fmt.Errorf("there is no schema %s", word)
			}
		case name == "init":
			// LANG, then a folder of any name.
			if !b.hasImage(word, "") && !placeholderRE.MatchString(word) {
				return fmt.Errorf("there is no language %s", word)
			}
			if len(words) > 0 && !strings.HasPrefix(words[0], "-") {
				words = words[1:]
			}
		case name == "invoke", name == "check", name == "start": // what it calls is the reader's own, but for examples
			if strings.HasPrefix(word, "examples/") {
				if err := b.checkImage(word); err != nil {
					return err
				}
			}
		case name == "deploy":
			if !functionRE.MatchString(word) && !strings.HasPrefix(word, "./") && !strings.HasPrefix(word, "'") && !strings.HasSuffix(word, "'") {
				return fmt.Errorf("%s is no function and no folder", word)
			}
		case name == "copy", name == "verify":
			if _, err := address.ParseReference(word); err != nil && !strings.HasSuffix(word, ".tar") && !placeholderRE.MatchString(word) {
				return err
			}
		default:
			if err := b.checkImage(word); err != nil {
				return err
			}
		}
	}
	return nil
}

// functionRE is the name of a function.
var functionRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

var placeholderRE = regexp.MustCompile(`^\[?([a-z.]+/)*[A-Z][A-Z_]*(\[?:[A-Z]+\]?)?[\].…]*$`)

func (b *built) checkImage(ref string) error {
	if placeholderRE.MatchString(ref) {
		return nil // NAME, NAME[:TAG], ./images/NAME
	}
	if strings.ContainsAny(ref, "./") && !strings.Contains(ref, ":") {
		at := filepath.Join(root, filepath.FromSlash(ref))
		if _, err := os.Stat(at); err == nil {
			return nil
		}
		// What lock and bundle unpack write: ./golang, ./golang-2026.
		if name, _, _ := strings.Cut(strings.TrimPrefix(ref, "./"), "-"); b.hasImage(name, "") {
			return nil
		}
		return fmt.Errorf("there is no %s", ref)
	}
	name, tag, _ := strings.Cut(ref, ":")
	if !b.hasImage(name, tag) {
		return fmt.Errorf("there is no image %s", ref)
	}
	return nil
}

func (b *built) hasImage(name, tag string) bool {
	return slices.ContainsFunc(b.images, func(l listed) bool {
		return l.Name == name && (tag == "" || slices.Contains(l.Tags, tag))
	})
}
