package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/images"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/definition"
	"github.com/imgbuild/imgbuild/pkg/display"
	"github.com/imgbuild/imgbuild/pkg/layer"
	"github.com/imgbuild/imgbuild/pkg/lock"
)

// completeNames completes the names of images, and files beside them.
func completeNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, n := range images.Names() {
		if d, err := definition.Load(n); err == nil {
			n = cobra.CompletionWithDesc(n, d.Title)
		}
		names = append(names, n)
	}
	return names, cobra.ShellCompDirectiveDefault
}

// completeImages completes NAME[:TAG]: tags after the colon, names before.
func completeImages(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	name, _ := splitRef(word)
	if name == word {
		return completeNames(c, args, word)
	}
	d, err := loadDefinition(name)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	selected, err := lock.Select(d.Definition, d.lock, lock.Query{All: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var refs []string
	for _, s := range selected {
		for _, t := range s.Tags {
			refs = append(refs, cobra.CompletionWithDesc(name+":"+t, s.Version+" "+s.Variant.Name))
		}
	}
	return refs, cobra.ShellCompDirectiveNoFileComp
}

// completePlatforms completes the platforms of the images named so far.
func completePlatforms(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		args = images.Names()
	}
	var platforms []string
	for _, ref := range args {
		name, _ := splitRef(ref)
		if d, err := definition.Load(name); err == nil {
			platforms = append(platforms, d.Platforms...)
		}
	}
	slices.Sort(platforms)
	return list(slices.Compact(platforms))(c, args, word)
}

// list completes a list with commas of values, each once.
func list(values []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		before := word[:strings.LastIndexByte(word, ',')+1]
		var out []string
		for _, v := range values {
			if !slices.Contains(strings.Split(before, ","), v) {
				out = append(out, before+v)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// begun completes to something that goes on.
const begun = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace

// complete registers what completes a flag's value.
func complete(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // a flag of that name was never registered
	}
}

// completeFlags registers what completes the values of the root's flags.
func completeFlags(root *cobra.Command) {
	complete(root, "platform", completePlatforms)
	complete(root, "compression", cobra.FixedCompletions([]string{string(layer.Gzip), string(layer.Zstd)}, cobra.ShellCompDirectiveNoFileComp))
	complete(root, "progress", cobra.FixedCompletions(display.Modes, cobra.ShellCompDirectiveNoFileComp))
	complete(root, "mirror", cobra.FixedCompletions(archivesCompletion(), begun))
	completeEngine(root)
	completeDelivery(root, "type=oci,dest=", "type=docker,dest=")
}

// completeDelivery registers what completes the flags of delivery; outputs are
// the beginnings of --output.
func completeDelivery(c *cobra.Command, outputs ...string) {
	complete(c, "region", list(address.Regions()))
	complete(c, "registry", cobra.FixedCompletions([]string{address.Embedded}, cobra.ShellCompDirectiveNoFileComp))
	complete(c, "output", cobra.FixedCompletions(outputs, begun))
	complete(c, "namespace", cobra.NoFileCompletions)
	complete(c, "instance", cobra.NoFileCompletions)
	completeImmutable(c)
}
