package shim

import (
	"fmt"
	"strings"
)

// Markdown renders Table for the documentation.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Flag | Variable | Value | Default | Meaning |\n|---|---|---|---|---|\n")
	for _, s := range Table {
		def := "–"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s | %s |\n", s.Flag, s.Variable, s.Value, def, s.Help)
	}
	return b.String()
}

// usage is the text of --help.
func usage() string {
	var b strings.Builder
	b.WriteString("usage: shim [FLAG…] [--] [COMMAND [ARGUMENT…]]\n\n" +
		"Runs COMMAND, else the function's bootstrap, else the image's adapter for\n" +
		"FC_FUNCTION_HANDLER, as a container function.\n\n")
	for _, s := range Table {
		fmt.Fprintf(&b, "  --%s %s  (%s", s.Flag, s.Value, s.Variable)
		if s.Default != "" {
			fmt.Fprintf(&b, ", default %s", s.Default)
		}
		fmt.Fprintf(&b, ")\n      %s\n", s.Help)
	}
	b.WriteString("  --version\n      Print the shim's version.\n")
	return b.String()
}
