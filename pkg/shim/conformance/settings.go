package conformance

import (
	"strings"
	"time"
)

var settingRules = []Rule{
	{
		Name: "settings/refused", Source: sourceShim,
		Doc: "a wrong value of a setting is refused at the start: exit code 2 and one line with the name of the variable",
		Run: func(t *Trial) {
			for _, setting := range []string{
				"SHIM_LISTEN=8080", "SHIM_LISTEN=:0", "SHIM_TARGET=http", "SHIM_MODE=cgi", "SHIM_GRACE=5", "SHIM_GRACE=-5s", "SHIM_READY_TIMEOUT=0s",
				"SHIM_LINGER=x", "SHIM_REQUEST_LOG=yes", "SHIM_LOG_FORMAT=xml", "SHIM_MASK=1", "SHIM_HOOK_404=no", "SHIM_STATUS_RULE=3xx",
				"SHIM_TIMEOUT=3", "SHIM_CONCURRENCY=-1", "SHIM_CONCURRENCY=x", "SHIM_QUEUE=x", "SHIM_HEADER_LIMIT=1", "SHIM_BODY_LIMIT=10XB", "SHIM_METRICS=9090",
			} {
				name, _, _ := strings.Cut(setting, "=")
				c := t.Program([]string{"args", "started"}, setting)
				if code := c.Code(10 * time.Second); code != 2 || c.Stdout.String() != "" {
					t.Errorf("%s: exit code %d, stdout %q", setting, code, c.Stdout)
				}
				expectOneLine(t, setting, c, name)
			}
		},
	},
	{
		Name: "settings/flags", Source: sourceShim,
		Doc: "variables of others that begin alike are not the shim's (Kubernetes sets SHIM_SERVICE_HOST for a service named shim)",
		Run: func(t *Trial) {
			c := t.Raw("SHIM_SERVICE_HOST=10.0.0.1", "SHIM_PORT=tcp://10.0.0.1:80")
			if a := c.Ask("GET", "/", ""); a.Status != 200 {
				t.Errorf("%+v", a)
			}
		},
	},
}
