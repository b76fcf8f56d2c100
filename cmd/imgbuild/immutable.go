package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgbuild/imgbuild/pkg/push"
)

// immutable is the flag --immutable: which tags never move to another digest.
type immutable struct{ push.Immutability }

var immutabilities = []string{string(push.ImmutableVersions), string(push.ImmutableAll), string(push.ImmutableNone)}

func (i *immutable) register(f *pflag.FlagSet) {
	i.Immutability = push.ImmutableVersions
	f.Var(i, "immutable", "which tags never move to another digest, a `MODE` of versions (1.27.3, but not 1.27), all, none; without MODE all")
	f.Lookup("immutable").NoOptDefVal = string(push.ImmutableAll)
}

func (i *immutable) String() string { return string(i.Immutability) }

// Type is what the value is called where the usage does not say.
func (i *immutable) Type() string { return "mode" }

// Set reads the value.
func (i *immutable) Set(s string) (err error) {
	i.Immutability, err = push.ParseImmutability(s)
	return err
}

func completeImmutable(c *cobra.Command) {
	if err := c.RegisterFlagCompletionFunc("immutable", cobra.FixedCompletions(immutabilities, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was never registered
	}
}

// optional are the flags that may stand without a value, and their values.
var optional = map[string][]string{"--immutable": immutabilities, "--local-bases": {basesMissing, basesAlways}}

// joinOptional makes `--immutable MODE` one word: a flag that may stand without
// a value takes one only with "=".
func joinOptional(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		if values := optional[args[i]]; i+1 < len(args) && slices.Contains(values, args[i+1]) {
			i++
			out = append(out, args[i-1]+"="+args[i])
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// noteKept says which tags stayed where they were.
func (g *global) noteKept(repository string, kept []string) {
	if len(kept) == 0 {
		return
	}
	verb := "names another image and stays"
	if len(kept) > 1 {
		verb = "name another image and stay"
	}
	g.noteOnce("%s: %s %s; --immutable none moves tags", repository, strings.Join(kept, ", "), verb)
}
