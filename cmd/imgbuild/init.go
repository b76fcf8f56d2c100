package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

const initLong = `Writes a small function that works into the folder DIR, by default the working
directory: its code and tests, a Dockerfile, template.yaml and s.yaml, and a
README.md with the next commands. Nothing is overwritten: where one of the files
is there already, none is written.

Standard output gets the files, one path a line.`

const initExample = `  imgbuild init golang hello
  imgbuild init node api --template express
  imgbuild init typescript hello && cd hello && imgbuild build
  imgbuild init --list`

// initFlags are the flags of `imgbuild init`.
type initFlags struct {
	template string
	list     bool
}

func newInit(g *global) *cobra.Command {
	i := &initFlags{}
	cmd := &cobra.Command{
		Use:     "init LANG [DIR]",
		Short:   "Write a small function to begin with",
		Long:    initLong,
		Example: initExample,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 2:
				return usage("init takes a language and a folder, not %d words; see imgbuild init --help", len(args))
			case len(args) == 0 && !i.list:
				return usage("no language is named; give one of %s", strings.Join(scaffold.Languages(), ", "))
			case len(args) == 2 && i.list, i.list && i.template != "":
				return usage("--list writes nothing: leave DIR and --template out")
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				return scaffold.Languages(), cobra.ShellCompDirectiveNoFileComp
			case 1:
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && !slices.Contains(scaffold.Languages(), args[0]) {
				return usage("there is no language %q; %s", args[0], strictyaml.Suggest(args[0], scaffold.Languages(), "the languages are %s", ", "))
			}
			if i.list {
				return i.show(g, args)
			}
			return i.run(g, args)
		},
	}
	cmd.Flags().StringVar(&i.template, "template", "", "`NAME` of the function to write; without it the language's first")
	cmd.Flags().BoolVar(&i.list, "list", false, "print the templates, of LANG where it is given")
	complete(cmd, "template", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, t := range scaffold.Templates(strings.Join(args[:min(len(args), 1)], "")) {
			names = append(names, cobra.CompletionWithDesc(t.Name, t.Title))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// show prints the templates.
func (i *initFlags) show(g *global, args []string) error {
	found := scaffold.Templates(strings.Join(args, ""))
	if g.json {
		return g.printJSON(found)
	}
	w := tabwriter.NewWriter(g.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LANG\tTEMPLATE\tWHAT IT IS")
	for _, t := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Language, t.Name, t.Title)
	}
	return w.Flush()
}

// run writes the function.
func (i *initFlags) run(g *global, args []string) error {
	t, err := i.choose(args[0])
	if err != nil {
		return err
	}
	dir := "."
	if len(args) > 1 {
		dir = args[1]
	}
	switch info, err := os.Stat(dir); {
	case dir == "":
		return usage("the folder's name is empty; leave it out for the working directory")
	case err == nil && !info.IsDir():
		return usage("%s is a file; give a folder, which need not be there", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return usage("%w; give a folder, which need not be there", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	files, err := t.Files(scaffold.Name(filepath.Base(abs)))
	if err != nil {
		return err
	}
	if err := scaffold.Write(filepath.Clean(dir), files); err != nil {
		return fmt.Errorf("writing the function: %w", err)
	}
	return i.report(g, dir, files)
}

func (i *initFlags) choose(language string) (scaffold.Template, error) {
	all := scaffold.Templates(language)
	if i.template == "" {
		return all[0], nil
	}
	var names []string
	for _, t := range all {
		if t.Name == i.template {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return scaffold.Template{}, usage("there is no template %q for %s; %s", i.template, language, strictyaml.Suggest(i.template, names, "it has %s", ", "))
}

// report prints the paths of what was written.
func (i *initFlags) report(g *global, dir string, files []scaffold.File) error {
	paths := make([]string, len(files))
	for n, f := range files {
		paths[n] = filepath.Join(dir, filepath.FromSlash(f.Path))
	}
	if g.json {
		return g.printJSON(paths)
	}
	if _, err := fmt.Fprintln(g.stdout, strings.Join(paths, "\n")); err != nil {
		return err
	}
	g.warn("%s has the next commands", filepath.Join(dir, "README.md"))
	return nil
}
