package audit

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/rootfs"
)

func file(pkg, name, text string) rootfs.ControlFile {
	return rootfs.ControlFile{Package: pkg, Name: name, Text: []byte(text)}
}

const mawk = `#!/bin/sh
set -e
# Automatically added by dh_installalternatives/13.24.1
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ]; then
        update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \
            --slave /usr/bin/nawk nawk /usr/bin/mawk
fi
# End automatically added section
`

func TestAudit(t *testing.T) {
	got, err := Audit([]rootfs.ControlFile{
		file("zlib1g", "triggers", "# Triggers added by dh_makeshlibs/13.20\nactivate-noawait ldconfig\n"),
		file("zlib1g", "md5sums", "…"),
		file("mawk", "prerm", "#!/bin/sh\nupdate-alternatives --remove awk /usr/bin/mawk\n"),
		file("mawk", "postinst", mawk),
		file("mawk", "postinst", mawk), // of a second platform
		file("odd", "postinst", "#!/bin/sh\nfrobnicate\n"),
	}, []definition.AcceptedScript{{Package: "odd", Script: "postinst", Reason: "read", SHA256: strings.ToUpper(hash([]byte("#!/bin/sh\nfrobnicate\n")))}})
	if err != nil {
		t.Fatal(err)
	}
	want := []lock.Script{
		{Package: "mawk", Script: "postinst", SHA256: hash([]byte(mawk)), Effect: "alternatives: awk"},
		{Package: "mawk", Script: "prerm", SHA256: hash([]byte("#!/bin/sh\nupdate-alternatives --remove awk /usr/bin/mawk\n")), Effect: "not run at install"},
		{Package: "odd", Script: "postinst", SHA256: hash([]byte("#!/bin/sh\nfrobnicate\n")), Effect: "accepted by the definition: read"},
		{Package: "zlib1g", Script: "triggers", SHA256: hash([]byte("# Triggers added by dh_makeshlibs/13.20\nactivate-noawait ldconfig\n")), Effect: "ld.so.cache"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestUnknownScriptsAreAllInOneError(t *testing.T) {
	_, err := Audit([]rootfs.ControlFile{
		file("b", "postinst", "#!/bin/sh\nuseradd b\n"),
		file("a", "preinst", "#!/usr/bin/perl\nunlink '/etc/passwd';\n"),
		file("base-files", "postinst", "#!/bin/sh\nset -e\nmkdir /new\n"),
	}, []definition.AcceptedScript{{Package: "b", Script: "postinst", SHA256: strings.Repeat("0", 64), Reason: "old"}})
	var u *UnknownError
	if !errors.As(err, &u) || len(u.Scripts) != 3 {
		t.Fatalf("got %v, want three unknown scripts", err)
	}
	for _, want := range []string{
		"3 maintainer scripts are unknown",
		"a preinst: it is not a shell script",
		"b postinst: the definition accepts another text of it, 0000",
		"it calls useradd b",
		"base-files postinst: its text is another than the one that was read; it calls mkdir /new",
		"sha256: " + hash([]byte("#!/bin/sh\nuseradd b\n")),
		"accept:\n    - package: a\n      script: preinst\n",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestTableIsWholeAndSorted(t *testing.T) {
	m, err := parseKnown(knownYAML)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []scriptName{{"base-files", "postinst"}, {"libc6", "preinst"}} {
		if len(m[n].SHA256) != 2 {
			t.Errorf("%v has %d texts, want one of amd64 and one of arm64", n, len(m[n].SHA256))
		}
	}
	for _, bad := range []string{
		"- {package: a, script: postinst, sha256: [ab], effect: x}",
		"- {package: a, script: postinst, sha256: [], effect: x}",
		"- {package: a, script: postinst, surprise: 1, effect: x}",
		"- {package: a, script: postinst, data: '(', sha256: [" + strings.Repeat("a", 64) + "], effect: x}",
	} {
		if _, err := parseKnown([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestDataLinesDoNotChangeTheHash(t *testing.T) {
	k, err := parseKnown([]byte("- {package: a, script: config, data: '^LIST=\"[^\"$`]*\"$', sha256: [" + strings.Repeat("a", 64) + "], effect: x}"))
	if err != nil {
		t.Fatal(err)
	}
	e := k[scriptName{"a", "config"}]
	one, two := e.withoutData([]byte("LIST=\"x, y\"\nend\n")), e.withoutData([]byte("LIST=\"z\"\nend\n"))
	if string(one) != "end\n" || string(two) != "end\n" {
		t.Errorf("got %q and %q", one, two)
	}
	if got := e.withoutData([]byte("LIST=\"$(rm -rf /)\"\nend\n")); string(got) == "end\n" {
		t.Error("a substitution passed for data")
	}
}
