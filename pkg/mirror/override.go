package mirror

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Variables are the environment variables that name an archive's place.
var variables = map[string]string{
	Debian:         "IMGBUILD_DEBIAN_MIRROR",
	DebianSecurity: "IMGBUILD_DEBIAN_SECURITY_MIRROR",
	Go:             "IMGBUILD_GOPROXY",
	NPM:            "IMGBUILD_NPM_REGISTRY",
}

// Variable is the environment variable that names the archive's place, for
// messages that say what to set.
func Variable(archive string) string { return variables[archive] }

// File is the configuration file's name in the working directory.
const File = "imgbuild.yaml"

// explicit collects the places and the bundles that someone named for imgbuild
// itself.
func explicit(o Options, m *machine) (map[string][]Base, []Bundle, error) {
	places := map[string][]Base{}
	file, err := readFile(cmp.Or(o.File, filepath.Join(m.dir, File)))
	if err != nil && (o.File != "" || !errors.Is(err, fs.ErrNotExist)) {
		return nil, nil, err
	}
	maps.Copy(places, file.places)
	for archive, name := range variables {
		// An empty variable is as good as none, as in npm and Go.
		if err := add(places, archive, m.getenv(name), name); err != nil {
			return nil, nil, err
		}
	}
	for _, archive := range slices.Sorted(maps.Keys(o.Flags)) {
		if !known(archive) {
			return nil, nil, fmt.Errorf("--mirror %s=…: %w", archive, unknownArchive(archive))
		}
		if err := add(places, archive, o.Flags[archive], "--mirror"); err != nil {
			return nil, nil, err
		}
	}
	deriveSecurity(places)
	return places, slices.Concat(named(o.Bundles, "--bundle"), named(strings.Split(m.getenv(BundleVariable), ","), BundleVariable), file.bundles), nil
}

func add(places map[string][]Base, archive, raw, from string) error {
	if strings.TrimSpace(raw) == "" {
		return nil
	}
	bases, err := parseList(archive, raw, from)
	if err != nil {
		if from == "--mirror" {
			from = "--mirror " + archive
		}
		return fmt.Errorf("%s: %w", from, err)
	}
	if len(bases) > 0 {
		places[archive] = bases
	}
	return nil
}

// deriveSecurity lets whoever names a Debian mirror name it once: mirrors keep
// the security archive beside it as debian-security.
func deriveSecurity(places map[string][]Base) {
	if places[DebianSecurity] != nil {
		return
	}
	for _, b := range places[Debian] {
		if strings.HasSuffix(b.URL, "/debian") {
			b.URL += "-security"
			b.Archive = DebianSecurity
			places[DebianSecurity] = append(places[DebianSecurity], b)
		}
	}
}

func readFile(path string) (configuration, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return configuration{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return parseFile(b, path)
}
