// Registries serves five registries on this machine, in place of those of five
// regions, until Ctrl-C, and makes a key to sign with where there is none.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/imgbuild/imgbuild/pkg/registry"
)

const (
	count     = 5
	firstPort = 5101
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: registries FOLDER")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "registries:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string) error {
	if err := makeKey(folder); err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	var servers []*registry.Server
	for i := range count {
		port := strconv.Itoa(firstPort + i)
		s, err := registry.Start(ctx, registry.Options{Dir: filepath.Join(folder, "registry-"+port), Addr: "127.0.0.1:" + port})
		if err != nil {
			return err
		}
		defer s.Close()
		fmt.Println(s.Addr())
		servers = append(servers, s)
	}
	fmt.Fprintf(os.Stderr, "serving the registries in %s; stop with Ctrl-C\n", folder)
	<-ctx.Done()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// makeKey writes cosign.key and cosign.pub, unless they are there. The key has
// no password: it is for trying, and is thrown away with its folder.
func makeKey(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	private, public := filepath.Join(folder, "cosign.key"), filepath.Join(folder, "cosign.pub")
	if _, err := os.Stat(public); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := write(private, "PRIVATE KEY", der, 0o600); err != nil {
		return err
	}
	if der, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return err
	}
	return write(public, "PUBLIC KEY", der, 0o644)
}

func write(path, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
