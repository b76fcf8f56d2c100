package effect

import (
	"bytes"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

const (
	shellsTemplate = "usr/share/debianutils/shells"
	shellsFolder   = "usr/share/debianutils/shells.d"
)

// shells writes /etc/shells and its state, as update-shells(8) does from the
// fragments that shells ship.
type shells struct{}

func (shells) Name() string { return "shells" }

func (shells) Keep(p string) bool { return p == shellsTemplate || path.Dir(p) == shellsFolder }

func (shells) Apply(t rootfs.Tree) error {
	if !isFile(t, shellsTemplate) {
		return nil
	}
	template, err := readFile(t, shellsTemplate)
	if err != nil {
		return err
	}
	var packaged []string
	known := map[string]bool{}
	add := func(shell string) {
		if !known[shell] {
			known[shell] = true
			packaged = append(packaged, shell)
		}
	}
	files := []string{shellsTemplate}
	for hdr := range t.Walk(shellsFolder) {
		if p := strings.TrimSuffix(hdr.Name, "/"); path.Dir(p) == shellsFolder && isFile(t, p) {
			files = append(files, p)
		}
	}
	for _, f := range files {
		text, err := readFile(t, f)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			shell, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "#")
			if shell == "" {
				continue
			}
			add(shell)
			// After usr-merge a shell is also known by its real path.
			dir, _, _ := resolve(t, path.Dir(shell))
			add("/" + path.Join(dir, path.Base(shell)))
		}
	}
	var out bytes.Buffer
	listed := map[string]bool{}
	for line := range strings.Lines(string(template)) {
		line = strings.TrimSuffix(line, "\n")
		shell, _, _ := strings.Cut(line, "#")
		if shell == "" || !listed[shell] {
			out.WriteString(line + "\n")
			listed[shell] = true
		}
	}
	for _, shell := range packaged {
		if !listed[shell] {
			out.WriteString(shell + "\n")
		}
	}
	if err := putFile(t, "etc/shells", 0o644, 0, out.Bytes()); err != nil {
		return err
	}
	return putFile(t, "var/lib/shells.state", 0o644, 0, []byte(strings.Join(packaged, "\n")+"\n"))
}
