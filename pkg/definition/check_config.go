package definition

import (
	"fmt"
	"maps"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
)

// config checks a container configuration (OCI image spec, "Image
// Configuration").
func (c checker) config(path string, v Config) {
	c.arguments(path+"/entrypoint", v.Entrypoint)
	c.arguments(path+"/cmd", v.Cmd)
	c.env(path+"/env", v.Env)
	c.path(path+"/workingDir", v.WorkingDir)
	c.match(path+"/user", v.User, grammar.User)
	seen := map[int]bool{}
	for i, port := range v.Ports {
		if at := at(path+"/ports", i); c.has(at) {
			switch {
			case port < 1 || port > 65535:
				c.add(at, fmt.Sprintf("the port is %d", port), "use 1 to 65535")
			case seen[port]:
				c.add(at, fmt.Sprintf("the port %d is there twice", port), "keep one of them")
			}
		}
		seen[port] = true
	}
	c.match(path+"/stopSignal", v.StopSignal, grammar.Signal)
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		at := path + "/labels/" + key
		if !grammar.Label.Match(key) {
			c.add(at, "the label is named "+quote(key), "use "+grammar.Label.Says)
		}
		c.placeholders(at, v.Labels[key], Placeholders())
	}
}

// arguments checks a command; an empty word in it is a slip of the pen.
func (c checker) arguments(path string, words []string) {
	for i, w := range words {
		if c.has(at(path, i)) && w == "" {
			c.add(at(path, i), last(at(path, i))+" is empty", "leave it out")
		}
		c.placeholders(at(path, i), w, Placeholders())
	}
}

func (c checker) env(path string, env []EnvVar) {
	for i, e := range env {
		at := at(path, i)
		c.match(at+"/name", e.Name, grammar.EnvName)
		c.placeholders(at+"/value", e.Value, Placeholders())
	}
	c.uniqueNames(path, names(env, func(e EnvVar) string { return e.Name }))
}
