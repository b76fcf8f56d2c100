package program

import "strings"

// Getenv returns the value of name in env, whose entries are NAME=value. Where
// a name is there twice the last one counts, as in a shell.
func Getenv(env []string, name string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if n, v, _ := strings.Cut(env[i], "="); n == name {
			return v
		}
	}
	return ""
}
