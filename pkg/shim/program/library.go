package program

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxLibraries limits how many libraries are looked through.
const maxLibraries = 256

// missing is what a program cannot be linked with: a shared library that is
// not in this image, or a version that the library there does not have.
type missing struct {
	library, version string
	// by is the file that needs it.
	by string
}

// findMissing looks for the shared libraries that the ELF file at path and its
// libraries need, as ld.so(8) does, and returns the first that lacks.
func findMissing(path string, env []string) (m missing, lacks bool) {
	main, ok := openELF(path)
	if !ok || main.Linker == "" {
		return m, false
	}
	folders := expandOrigin(main.RPath, path)
	folders = append(append(folders, splitPath(Getenv(env, "LD_LIBRARY_PATH"))...), systemFolders(main.Linker)...)
	has := map[string][]string{filepath.Base(main.Linker): nil} // each library's versions
	for queue := []string{path}; len(queue) > 0 && len(has) < maxLibraries; queue = queue[1:] {
		file := queue[0]
		e, _ := openELF(file)
		for _, name := range e.Needed {
			versions, seen := has[name]
			if !seen {
				found := findLibrary(name, append(expandOrigin(append(e.RPath, e.RunPath...), file), folders...))
				switch {
				case found != "":
					library, _ := openELF(found)
					versions = library.Has
					queue = append(queue, found)
				case isMusl(main.Linker) && strings.HasPrefix(name, "libc."):
					// musl's C library is its dynamic linker.
				default:
					return missing{library: name, by: file}, true
				}
				has[name] = versions
			}
			if version := e.lacks(name, versions); version != "" {
				return missing{name, version, file}, true
			}
		}
	}
	return m, false
}

// findLibrary returns the first file of that name that is for this machine.
func findLibrary(name string, folders []string) string {
	if strings.Contains(name, "/") {
		folders, name = []string{filepath.Dir(name)}, filepath.Base(name)
	}
	for _, dir := range folders {
		file := filepath.Join(dir, name)
		if e, ok := openELF(file); ok && e.Machine == runtime.GOARCH {
			return file
		}
	}
	return ""
}

// expandOrigin replaces $ORIGIN, the folder of the file itself.
func expandOrigin(folders []string, file string) []string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	origin := strings.NewReplacer("${ORIGIN}", filepath.Dir(file), "$ORIGIN", filepath.Dir(file))
	out := make([]string, 0, len(folders))
	for _, dir := range folders {
		out = append(out, origin.Replace(dir))
	}
	return out
}

func isMusl(linker string) bool { return strings.Contains(filepath.Base(linker), "musl") }

// gnuNames are the names of this machine in Debian's multiarch folders.
var gnuNames = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// systemFolders are where a dynamic linker looks by itself.
func systemFolders(linker string) []string {
	if isMusl(linker) {
		arch := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(linker), "ld-"), ".so.1")
		if b, err := os.ReadFile("/etc/ld-" + arch + ".path"); err == nil {
			return strings.FieldsFunc(string(b), func(r rune) bool { return r == ':' || r == '\n' })
		}
		return []string{"/lib", "/usr/local/lib", "/usr/lib"}
	}
	gnu := gnuNames[runtime.GOARCH]
	folders := []string{"/lib/" + gnu, "/usr/lib/" + gnu, "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib/" + gnu, "/usr/local/lib"}
	return append(folders, configuredFolders("/etc/ld.so.conf.d")...)
}

// configuredFolders are those that the files in dir name (ldconfig(8)).
func configuredFolders(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
	var folders []string
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for line := range strings.Lines(string(b)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				folders = append(folders, line)
			}
		}
	}
	return folders
}

// debianPackage guesses the package that has a library by the rule of Debian's
// Policy Manual, section 8.1: libssl.so.3 is in libssl3, libz-ng.so.2 in
// libz-ng2; where the name ends in a digit a hyphen comes in between.
func debianPackage(library string) string {
	name, version, ok := strings.Cut(library, ".so.")
	switch {
	case library == "libz.so.1":
		return "zlib1g"
	case strings.HasPrefix(library, "ld-linux"), library == "libc.so.6", library == "libm.so.6", library == "libpthread.so.0", library == "libdl.so.2", library == "librt.so.1":
		return "libc6"
	case !ok || name == "" || version == "":
		return ""
	}
	if last := name[len(name)-1]; last >= '0' && last <= '9' {
		name += "-"
	}
	return strings.ReplaceAll(strings.ToLower(name+version), "_", "-")
}
