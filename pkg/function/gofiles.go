package function

import (
	"errors"
	"fmt"
	"go/version"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"github.com/imgbuild/imgbuild/pkg/snapshot"
)

// maxGoFiles is how many files a snapshot of the source may have: above, asking
// the go command costs no more than looking.
const maxGoFiles = 50_000

// files are all that decides what the go command makes of the function, besides
// the toolchain and the settings that are fixed: the folders of the main module
// (with its vendor folder), of the workspace's modules, and of modules that
// either of them replaces by a local folder. Dependencies' replacements do not
// count (https://go.dev/ref/mod#go-mod-file-replace). Modules in the module
// cache are those of go.sum, and never change.
//
// The rest of what could have an influence is seen, too: a go.mod or a go.work
// that comes between, since Roots are looked up anew each time and are part of
// the key; a file more or less, since all names are in the snapshot; what is
// behind links. Packages cannot import or embed from folders of version
// control, whose files change with every command.
func (s GoSource) files() (snapshot.Options, error) {
	root := moduleRoot(s.Dir)
	if root == "" {
		return snapshot.Options{}, fmt.Errorf("%s is in no Go module; run `go mod init NAME` there", s.Dir)
	}
	roots := []string{root}
	main, err := readModule(filepath.Join(root, "go.mod"))
	if err != nil {
		return snapshot.Options{}, err
	}
	if err := s.checkVersion(filepath.Join(root, "go.mod"), main.Go); err != nil {
		return snapshot.Options{}, err
	}
	roots = append(roots, replaced(root, main.Replace)...)
	work, err := workFile(s.Dir)
	if err != nil {
		return snapshot.Options{}, err
	}
	if work != "" {
		more, err := s.workspace(work)
		if err != nil {
			return snapshot.Options{}, err
		}
		roots = append(roots, more...)
	}
	return snapshot.Options{Roots: snapshot.Roots(roots...), Skip: versionControl, Max: maxGoFiles}, nil
}

// versionControl are the folders that the go command never reads source from
// (isBadEmbedName in cmd/go/internal/load, CheckImportPath in x/mod/module).
func versionControl(name string) bool {
	return slices.Contains([]string{".git", ".hg", ".svn", ".bzr"}, name)
}

func readModule(path string) (*modfile.File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(filepath.Base(path), b, nil)
}

// checkVersion says whether the locked Go can compile what asks for a version.
func (s GoSource) checkVersion(path string, wants *modfile.Go) error {
	if wants == nil || version.Compare("go"+wants.Version, "go"+s.Toolchain.Version) <= 0 {
		return nil
	}
	return fmt.Errorf("%s asks for Go %s, but the newest that this imgbuild has is %s; use a newer imgbuild, lower the line `go %s`, or compile it elsewhere and give the result with --binary",
		path, wants.Version, s.Toolchain.Version, wants.Version)
}

// replaced are the local folders among replacements.
func replaced(root string, rs []*modfile.Replace) (dirs []string) {
	for _, r := range rs {
		if r.New.Version == "" {
			dirs = append(dirs, local(root, r.New.Path))
		}
	}
	return dirs
}

func local(root, path string) string {
	if path = filepath.FromSlash(path); filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(root, path)
}

// workFile is the go.work that the go command would take, or "".
func workFile(dir string) (string, error) {
	switch w := os.Getenv("GOWORK"); {
	case w == "off":
		return "", nil
	case w != "" && !filepath.IsAbs(w):
		return "", errors.New("GOWORK is neither off nor an absolute path")
	case w != "":
		return w, nil
	}
	if at := above(dir, "go.work"); at != "" {
		return filepath.Join(at, "go.work"), nil
	}
	return "", nil
}

// workspace are the files and folders that a go.work brings in.
func (s GoSource) workspace(path string) (roots []string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w, err := modfile.ParseWork(filepath.Base(path), b, nil)
	if err != nil {
		return nil, err
	}
	if err := s.checkVersion(path, w.Go); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	roots = append(roots, path, path+".sum", filepath.Join(dir, "vendor"))
	roots = append(roots, replaced(dir, w.Replace)...)
	for _, use := range w.Use {
		used := local(dir, use.Path)
		roots = append(roots, used)
		module, err := readModule(filepath.Join(used, "go.mod"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the go command says what is wrong
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", used, err)
		}
		roots = append(roots, replaced(used, module.Replace)...)
	}
	return roots, nil
}
