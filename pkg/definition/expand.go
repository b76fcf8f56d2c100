package definition

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// Values are what the placeholders of a definition stand for in one image.
type Values struct {
	// Version is the exact version, 1.27.3; Series the one it was chosen for, 1.27.
	Version, Series string
	// Arch is the platform's architecture as OCI names it: amd64, arm64.
	Arch string
}

// ValuesFor returns the values for an image of that version on platform.
func ValuesFor(version, series, platform string) Values {
	_, arch, _ := strings.Cut(platform, "/")
	return Values{Version: version, Series: series, Arch: arch}
}

// npmArch is how npm (process.arch of Node.js) names the architectures.
var npmArch = map[string]string{"amd64": "x64", "arm64": "arm64"}

func (v Values) table() map[string]string {
	return map[string]string{
		"version": v.Version,
		"series":  v.Series,
		"arch":    v.Arch,
		"npmarch": npmArch[v.Arch],
	}
}

// Placeholders are the names that {name} may have, sorted.
func Placeholders() []string {
	return slices.Sorted(maps.Keys(Values{}.table()))
}

// placeholder matches {name}. A shell's ${name} is left alone.
var placeholder = lazyregexp.New(`\$?\{[a-z]+\}`)

// Expand replaces the placeholders of s. Unknown ones stay as they are; Parse
// has refused them.
func (v Values) Expand(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	table := v.table()
	return placeholder().ReplaceAllStringFunc(s, func(m string) string {
		if value, ok := table[strings.Trim(m, "{}")]; ok {
			return value
		}
		return m
	})
}

// ExpandLayer returns a copy of l with all placeholders replaced.
func (v Values) ExpandLayer(l Layer) Layer {
	return v.expand(reflect.ValueOf(l)).Interface().(Layer)
}

// ExpandConfig returns a copy of c with all placeholders replaced.
func (v Values) ExpandConfig(c Config) Config {
	return v.expand(reflect.ValueOf(c)).Interface().(Config)
}

// expand copies x deeply and replaces the placeholders of every string in it,
// so that a new field of a layer can not be forgotten.
func (v Values) expand(x reflect.Value) reflect.Value {
	out := reflect.New(x.Type()).Elem()
	switch x.Kind() {
	case reflect.String:
		out.SetString(v.Expand(x.String()))
	case reflect.Struct:
		for i := range x.NumField() {
			out.Field(i).Set(v.expand(x.Field(i)))
		}
	case reflect.Pointer:
		if !x.IsNil() {
			out.Set(reflect.New(x.Type().Elem()))
			out.Elem().Set(v.expand(x.Elem()))
		}
	case reflect.Slice:
		if !x.IsNil() {
			out.Set(reflect.MakeSlice(x.Type(), x.Len(), x.Len()))
			for i := range x.Len() {
				out.Index(i).Set(v.expand(x.Index(i)))
			}
		}
	case reflect.Map:
		if !x.IsNil() {
			out.Set(reflect.MakeMapWithSize(x.Type(), x.Len()))
			for key, value := range x.Seq2() {
				out.SetMapIndex(v.expand(key), v.expand(value))
			}
		}
	default:
		out.Set(x)
	}
	return out
}

// checkPlaceholders returns what is wrong with the placeholders of s, where one
// is not among allowed, and what to do.
func checkPlaceholders(s string, allowed []string) (what, do string) {
	for _, m := range placeholder().FindAllString(s, -1) {
		if m[0] == '$' {
			continue
		}
		if name := strings.Trim(m, "{}"); !slices.Contains(allowed, name) {
			if len(allowed) == 0 {
				return "the placeholder " + m + " is not replaced here", "write it out"
			}
			return "unknown placeholder " + m, strictyaml.Suggest(name, allowed, "the placeholders here are {%s}", "}, {")
		}
	}
	return "", ""
}
