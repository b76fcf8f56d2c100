package template

import (
	"reflect"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// known are values that are read later than the rest, or that say nothing of
// how the function is set up on the platform.
var known = []string{
	"role", "code", "codeUri", "ossBucket", "ossKey", "image", "endpoint",
	"Role", "Policies", "Image", "Description",
}

// others are the names of what is written in these structs and not read. The
// description of a service is nothing that a function has.
func others(parts ...any) (names []string) {
	for _, part := range parts {
		v := reflect.Indirect(reflect.ValueOf(part))
		if !v.IsValid() {
			continue
		}
		for i := range v.NumField() {
			raw, ok := v.Field(i).Interface().(strictyaml.Raw)
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if ok && raw.Node != nil && raw.Node.Tag != "!!null" && !slices.Contains(known, name) && (name != "description" || v.Type() != reflect.TypeFor[fcService]()) {
				names = append(names, name)
			}
		}
	}
	return names
}
