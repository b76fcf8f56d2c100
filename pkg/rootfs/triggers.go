package rootfs

import "strings"

// triggerFiles are the files of /var/lib/dpkg/triggers (dpkg's
// doc/triggers.txt and lib/dpkg/trigdeferred.c): File has the interests in
// paths, one file for each other trigger the packages interested in it.
func triggerFiles(pkgs []*unpacked) map[string]string {
	files := map[string]string{"File": "", "Lock": "", "Unincorp": ""}
	for _, u := range pkgs {
		for line := range strings.Lines(string(u.controlText("triggers"))) {
			line, _, _ = strings.Cut(line, "#")
			f := strings.Fields(line)
			if len(f) != 2 {
				continue
			}
			who := u.infoName()
			switch f[0] {
			case "interest", "interest-await":
			case "interest-noawait":
				who += "/noawait"
			default:
				continue // activations leave nothing behind
			}
			switch trigger := f[1]; {
			case strings.HasPrefix(trigger, "/"):
				files["File"] += trigger + " " + who + "\n"
			case !strings.ContainsAny(trigger, "/") && trigger != "File" && trigger != "Lock" && trigger != "Unincorp":
				files[trigger] += who + "\n"
			}
		}
	}
	return files
}
