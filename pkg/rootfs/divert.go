package rootfs

// diversion is one of dpkg's (dpkg-divert(1)): other packages' files at from
// go to to. by is the package for which it is, "" for a local one.
type diversion struct{ from, to, by string }

// diversions are in the order in which they were made.
type diversions []diversion

// target returns where a package's file goes. Diversions know the paths as
// packages ship them, before usr-merge, as dpkg does.
func (ds diversions) target(pkg, path string) string {
	for _, d := range ds {
		if d.from == path && d.by != pkg {
			return d.to
		}
	}
	return path
}
