package effect

import (
	"strings"
	"testing"
)

const pamTemplate = "# head\n" + pamPrimary + "\n" + "old\n" + pamFallback + "\nrequisite\n" + pamAdditional + "\nold\n" + pamEnd + "\ntail\n"

func pamTree() *memTree {
	m := newMemTree("amd64").script("libpam-modules", "postinst", "").
		file(pamConfigs+"/unix", "Name: Unix\nDefault: yes\nPriority: 256\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_unix.so nullok try_first_pass\nAuth-Initial:\n\t[success=end default=ignore]\tpam_unix.so nullok\nSession-Type: Additional\nSession:\n\trequired\tpam_unix.so\n").
		file(pamConfigs+"/krb5", "Name: Kerberos\nDefault: yes\nPriority: 704\nConflicts: old, older\nAuth-Type: Primary\nAuth:\n\t[success=end default=ignore]\tpam_krb5.so minimum_uid=1000\n").
		file(pamConfigs+"/old", "Name: Old\nDefault: yes\nPriority: 300\nAuth-Type: Primary\nAuth:\n\trequired\tpam_old.so\n").
		file(pamConfigs+"/mkhomedir", "Name: Home\nDefault: no\nPriority: 0\nSession-Interactive-Only: yes\nSession-Type: Additional\nSession:\n\toptional\tpam_mkhomedir.so\n").
		file(pamConfigs+"/edited~", "Name: Backup\nDefault: yes\n")
	for _, kind := range []string{"auth", "account", "password", "session", "session-noninteractive"} {
		m.file(pamTemplates+"/common-"+kind, pamTemplate)
	}
	return m
}

func TestPAM(t *testing.T) {
	m := pamTree()
	apply(t, pam{}, m)
	stack := func(primary, additional string) string {
		return "# head\n" + pamPrimary + "\n" + primary + pamFallback + "\nrequisite\n" + pamAdditional + "\n" + additional + pamEnd + "\ntail\n"
	}
	expect(t, m, map[string]string{
		// Of two primary modules the first jumps over both, the second over itself.
		"etc/pam.d/common-auth": stack("auth\t[success=2 default=ignore]\tpam_krb5.so minimum_uid=1000\n"+
			"auth\t[success=1 default=ignore]\tpam_unix.so nullok try_first_pass\n", ""),
		"etc/pam.d/common-account":                stack("account\t[default=1]\t\t\tpam_permit.so\n", ""),
		"etc/pam.d/common-session-noninteractive": stack("session\t[default=1]\t\t\tpam_permit.so\n", "session\trequired\tpam_unix.so \n"),
		"var/lib/pam/seen":                        "krb5\nold\nunix\nmkhomedir\n",
		"var/lib/pam/auth": "Module: krb5\n[success=end default=ignore]\tpam_krb5.so minimum_uid=1000\n" +
			"Module: unix\n[success=end default=ignore]\tpam_unix.so nullok try_first_pass\n",
		"var/lib/pam/account":  "Module: null\n[default=1]\t\t\tpam_permit.so\n",
		"etc/security/opasswd": "", "etc/environment": "",
	})
	if hdr := m.entries["etc/security/opasswd"]; hdr == nil || hdr.Mode != 0o600 {
		t.Errorf("opasswd: got %+v, want mode 600", hdr)
	}
}

func TestPAMTemplateWithoutMarks(t *testing.T) {
	m := pamTree().file(pamTemplates+"/common-session", "nothing\n")
	if err := (pam{}).Apply(m); err == nil || !strings.Contains(err.Error(), "common-session: the template has not the marks") {
		t.Errorf("got %v", err)
	}
}

func FuzzPAMStack(f *testing.F) {
	f.Add(pamTemplate, "Name: x\nDefault: yes\nPriority: 1\nAuth-Type: Primary\nAuth:\n\t[success=end]\tx.so a  b\n")
	f.Fuzz(func(t *testing.T, template, profile string) {
		p := parsePAMProfile("x", profile)
		text, err := pamStack(template, "auth", []pamProfile{p})
		if err == nil && (!strings.Contains(string(text), pamFallback) || !strings.Contains(string(text), pamEnd)) {
			t.Errorf("a mark was lost from %q", template)
		}
		_ = pamSaved("auth", []pamProfile{p})
	})
}
