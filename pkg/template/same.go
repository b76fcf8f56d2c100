package template

import (
	"fmt"
	"maps"
	"slices"
)

// same says where two descriptions of the functions differ in what both
// formats can say, or nil.
func same(a, b []Function) error {
	byName := map[string]Function{}
	for _, f := range b {
		byName[f.Name] = f
	}
	for _, f := range a {
		other, ok := byName[f.Name]
		if !ok {
			return fmt.Errorf("the function %s is in the first one only", f.Name)
		}
		delete(byName, f.Name)
		if field := difference(f, other); field != "" {
			return fmt.Errorf("the %s of the function %s (lines %d and %d)", field, f.Name, lineOf(f, field), lineOf(other, field))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		return fmt.Errorf("the function %s is in the second one only", name)
	}
	return nil
}

// difference names the first field in which the functions differ.
func difference(a, b Function) string {
	for _, d := range []struct {
		field string
		same  bool
	}{
		{"Runtime", a.Runtime == b.Runtime},
		{"Handler", a.Handler == b.Handler},
		{"Image", a.Image == b.Image},
		{"Entrypoint", slices.Equal(a.Entrypoint, b.Entrypoint)},
		{"Command", slices.Equal(a.Command, b.Command)},
		{"Code", a.Code == b.Code},
		{"Port", a.Port == b.Port},
		{"Memory", a.Memory == b.Memory},
		{"Timeout", a.Timeout == b.Timeout},
		{"Concurrency", a.Concurrency == b.Concurrency},
		{"Environment", maps.Equal(a.Environment, b.Environment)},
		{"Initializer", sameHook(a.Initializer, b.Initializer)},
		{"PreStop", sameHook(a.PreStop, b.PreStop)},
		{"Triggers", slices.EqualFunc(a.Triggers, b.Triggers, sameTrigger)},
	} {
		if !d.same {
			return d.field
		}
	}
	return ""
}

func sameHook(a, b Hook) bool {
	return a.Set == b.Set && (!a.Set || a.Handler == b.Handler && a.Timeout == b.Timeout)
}

func sameTrigger(a, b Trigger) bool {
	return a.Type == b.Type && a.Auth == b.Auth && slices.Equal(a.Methods, b.Methods)
}

func lineOf(f Function, field string) int {
	if line, ok := f.Lines[field]; ok {
		return line
	}
	return f.Line
}
