package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/registry"
	"github.com/imgbuild/imgbuild/pkg/store"
)

func newRegistry(g *global) *cobra.Command {
	addr := registry.DefaultAddr
	c := &cobra.Command{
		Use:   "registry",
		Short: "Serve the embedded registry on loopback",
		Long: `Serves what was pushed with --registry embedded, until it is stopped with Ctrl-C.
It listens on loopback only.`,
		Example: "  imgbuild registry &\n  docker pull 127.0.0.1:5050/golang:1.27",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := store.DefaultDir()
			if err != nil {
				return err
			}
			st, err := store.Open(root)
			if err != nil {
				return err
			}
			dir := registry.DefaultDir(st)
			s, err := registry.Start(cmd.Context(), registry.Options{Dir: dir, Addr: addr})
			if err != nil && !address.Loopback(addr) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			fmt.Fprintln(g.stdout, s.Addr())
			g.warn("serving the images in %s on %s; stop with Ctrl-C", dir, s.Addr())
			<-cmd.Context().Done()
			return s.Close()
		},
	}
	c.Flags().StringVar(&addr, "listen", addr, "loopback address and port to listen on; port 0 takes a free one")
	return c
}

// noArgs is cobra.NoArgs with exit code 2.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, got %q; see %s --help", cmd.CommandPath(), args, cmd.CommandPath())
	}
	return nil
}
