package gotoolchain

import (
	"fmt"
	"path"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/lock"
)

// moduleVersion is the version that a toolchain has as a module.
func moduleVersion(version, platform string) string {
	return "v0.0.1-go" + version + "." + strings.ReplaceAll(platform, "/", "-")
}

// zipPath is relative to the module mirror's base (https://go.dev/ref/mod#goproxy-protocol).
func zipPath(version, platform string) string {
	return Module + "/@v/" + moduleVersion(version, platform) + ".zip"
}

// prefix is what every name in a toolchain's zip begins with.
func prefix(version, platform string) string {
	return Module + "@" + moduleVersion(version, platform) + "/"
}

// check refuses what is no version or platform, as both become part of paths
// and of a command line.
func check(version, platform string) error {
	line := moduleVersion(version, platform)
	if !offerLine().MatchString(line) || strings.Count(platform, "/") != 1 {
		return fmt.Errorf("version %q for %q is not a release of Go (1.27.3) for a platform (linux/amd64)", version, platform)
	}
	return nil
}

// moduleID is the part of an input's ID after its kind: 1.27.3/linux-amd64.
func moduleID(version, platform string) string {
	return version + "/" + strings.ReplaceAll(platform, "/", "-")
}

// platformOf reads the platform back from an input's path.
func platformOf(in lock.Input) (string, error) {
	m := offerLine().FindStringSubmatch(strings.TrimSuffix(path.Base(in.Path), ".zip"))
	if m == nil || m[1]+"."+m[2]+"."+m[3] != in.Version {
		return "", fmt.Errorf("the lock's path %q is not the one of Go %s", in.Path, in.Version)
	}
	return m[4] + "/" + m[5], nil
}
