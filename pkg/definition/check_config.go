package definition

import (
	"fmt"
	"maps"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/definition/internal/grammar"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// config checks a container configuration (OCI image spec, "Image
// Configuration").
func (c checker) config(path string, v Config) {
	c.arguments(path+"/entrypoint", v.Entrypoint)
	c.arguments(path+"/cmd", v.Cmd)
	c.env(path+"/env", v.Env)
	c.path(path+"/workingDir", v.WorkingDir)
	c.Match(path+"/user", v.User, grammar.User)
	seen := map[int]bool{}
	for i, port := range v.Ports {
		if at := strictyaml.At(path+"/ports", i); c.Has(at) {
			switch {
			case port < 1 || port > 65535:
				c.Add(at, fmt.Sprintf("the port is %d", port), "use 1 to 65535")
			case seen[port]:
				c.Add(at, fmt.Sprintf("the port %d is there twice", port), "keep one of them")
			}
		}
		seen[port] = true
	}
	c.Match(path+"/stopSignal", v.StopSignal, grammar.Signal)
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		at := path + "/labels/" + key
		if !grammar.Label.Match(key) {
			c.Add(at, "the label is named "+strictyaml.Quote(key), "use "+grammar.Label.Says)
		}
		c.placeholders(at, v.Labels[key], Placeholders())
	}
}

// arguments checks a command; an empty word in it is a slip of the pen.
func (c checker) arguments(path string, words []string) {
	for i, w := range words {
		if c.Has(strictyaml.At(path, i)) && w == "" {
			c.Add(strictyaml.At(path, i), c.Last(strictyaml.At(path, i))+" is empty", "leave it out")
		}
		c.placeholders(strictyaml.At(path, i), w, Placeholders())
	}
}

func (c checker) env(path string, env []EnvVar) {
	for i, e := range env {
		at := strictyaml.At(path, i)
		c.Match(at+"/name", e.Name, grammar.EnvName)
		c.placeholders(at+"/value", e.Value, Placeholders())
	}
	c.UniqueNames(path, names(env, func(e EnvVar) string { return e.Name }))
}
