package template

import (
	"strings"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// setLog takes the project and the logstore out of a logConfig, which has the same
// keys in all formats, in fun with capitals. That of `auto` is the tool's to name,
// as is one of another resource (!GetAtt).
func (f *Function) setLog(config strictyaml.Raw) {
	text := func(key string) string {
		n := child(config.Node, key)
		if n == nil {
			n = child(config.Node, strings.ToUpper(key[:1])+key[1:])
		}
		if n != nil && strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
			return ""
		}
		return strictyaml.Raw{Node: n}.Text()
	}
	f.LogProject, f.LogStore = text("project"), text("logstore")
}
