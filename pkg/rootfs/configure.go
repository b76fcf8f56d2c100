package rootfs

import (
	"strings"
)

// The texts are those of Debian's own container images (debuerreotype,
// scripts/debuerreotype-minimizing-config), comments shortened.
const (
	policyRC = `#!/bin/sh

# No init runs in a container: starting services while packages are installed
# would fail. 101 says "not allowed" (invoke-rc.d's policy-rc.d interface).

exit 101
`
	dpkgSpeedup = `# A build that loses power starts afresh: no need to sync every file.

force-unsafe-io
`
	aptAutoremove = `# apt keeps packages that others merely suggest. For small images
# "apt-get purge --auto-remove" takes those away, too.

Apt::AutoRemove::SuggestsImportant "false";
`
	aptClean = `# What apt downloads and caches would stay in the image's layer: remove it
# after every run, as "apt-get clean" does.

DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };

Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
`
	aptGzip = `# Keep the package lists compressed on disk.

Acquire::GzipIndexes "true";
`
	aptLanguages = `# Translations of package descriptions are of no use in a container.

Acquire::Languages "none";
`
)

// configure writes the configuration of dpkg and apt, where they are
// installed.
func (t *tree) configure(opt Options) error {
	if opt.Minimal {
		return nil
	}
	files := map[string]string{}
	if t.has("dpkg") && opt.Slim {
		files["etc/dpkg/dpkg.cfg.d/docker"] = dpkgFilters()
		files["etc/dpkg/dpkg.cfg.d/docker-apt-speedup"] = dpkgSpeedup
		if err := t.putNew("usr/sbin/policy-rc.d", 0o755, policyRC); err != nil {
			return err
		}
	}
	if t.has("apt") && opt.Slim {
		files["etc/apt/apt.conf.d/docker-autoremove-suggests"] = aptAutoremove
		files["etc/apt/apt.conf.d/docker-clean"] = aptClean
		files["etc/apt/apt.conf.d/docker-gzip-indexes"] = aptGzip
		files["etc/apt/apt.conf.d/docker-no-languages"] = aptLanguages
	}
	if t.has("apt") && opt.Sources != nil {
		files["etc/apt/sources.list.d/debian.sources"] = string(opt.Sources)
	}
	return t.putAll(files, 0o644)
}

func (t *tree) has(pkg string) bool {
	for _, u := range t.pkgs {
		if u.Name == pkg {
			return true
		}
	}
	return false
}

// dpkgFilters is dpkg's configuration (dpkg(1), --path-exclude) for what slim
// leaves out.
func dpkgFilters() string {
	var b strings.Builder
	b.WriteString("# This image is slim: files that containers rarely need are left out, and\n# this configuration keeps them out.\n\n")
	for _, p := range excludes {
		b.WriteString("path-exclude " + p + "\n")
	}
	b.WriteByte('\n')
	for _, p := range includes {
		b.WriteString("path-include " + p + "\n")
	}
	return b.String()
}
