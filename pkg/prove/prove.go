package prove

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/container"
	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/progress"
	"github.com/imgbuild/imgbuild/pkg/shim/conformance"
	"github.com/imgbuild/imgbuild/pkg/shimbuild"
	"github.com/imgbuild/imgbuild/pkg/store"
)

// Options say what a Prover needs beside the store.
type Options struct {
	// Toolchain is the locked Go for this machine, with which the program is
	// compiled that the rules run in the image; Fetch brings it into the
	// store. Both are as for the shim: build.CompiledShim has them.
	Toolchain lock.Input
	Fetch     func(context.Context, lock.Input) (v1.Hash, error)
	// Parallel is how many images are proven at a time by all calls of Prove
	// together, 0 for as many as this machine has cores.
	Parallel int
	// Afresh proves images again that are proven.
	Afresh bool
}

// Prover proves images. It is safe for concurrent use.
type Prover struct {
	store   *store.Store
	options Options
	images  chan struct{} // a place for each image at a time
	rules   chan struct{} // a place for each rule at a time, of all images
	turn    sync.Mutex    // held by who takes all places
}

// rulesPerCore is how many rules run at a time: they mostly wait.
const rulesPerCore = 6

// New returns a Prover that remembers its proofs in s.
func New(s *store.Store, o Options) (*Prover, error) {
	if o.Fetch == nil || o.Toolchain.Version == "" {
		return nil, errors.New("proving images: no Go toolchain to compile the test program with")
	}
	if o.Parallel <= 0 {
		o.Parallel = runtime.NumCPU()
	}
	return &Prover{
		store: s, options: o,
		images: make(chan struct{}, o.Parallel), rules: make(chan struct{}, rulesPerCore*runtime.NumCPU()),
	}, nil
}

// Prove boots the image of that platform, and returns what was found. A proof
// from earlier is used again where image and rules are the same; failures are
// tried anew. The error is about the proving itself, never about the image: it
// wraps container.ErrUnavailable where this machine does not let imgbuild run
// containers.
func (p *Prover) Prove(ctx context.Context, img v1.Image, platform string) (Proof, error) {
	proof, err := p.prove(ctx, img, platform)
	if err != nil {
		return Proof{}, fmt.Errorf("proving the image: %w", err)
	}
	return proof, nil
}

func (p *Prover) prove(ctx context.Context, img v1.Image, platform string) (Proof, error) {
	if host := runtime.GOOS + "/" + runtime.GOARCH; platform != host {
		return Proof{Status: Skipped, Reason: "this machine runs " + host + " only"}, nil
	}
	key, err := keyOf(img)
	if err != nil {
		return Proof{}, err
	}
	var proof Proof
	if ok, err := p.store.Record(recordKind, key, &proof); err != nil {
		return Proof{}, err
	} else if ok && !p.options.Afresh {
		return proof, nil
	}
	if err := container.Available(ctx); err != nil {
		return Proof{}, err
	}
	select {
	case p.images <- struct{}{}:
		defer func() { <-p.images }()
	case <-ctx.Done():
		return Proof{}, context.Cause(ctx)
	}
	step := progress.Start(ctx, "prove "+key[:12], 0)
	proof, err = p.boot(ctx, img, step)
	step.Done(errors.Join(err, proof.Err()))
	if err != nil || proof.Status != Passed {
		return proof, err
	}
	return proof, p.store.PutRecord(recordKind, key, proof)
}

// boot unpacks the image, tries it, and takes the files away again.
func (p *Prover) boot(ctx context.Context, img v1.Image, step progress.Step) (proof Proof, err error) {
	program, err := p.program(ctx)
	if err != nil {
		return Proof{}, err
	}
	dir, err := p.store.TempDir("prove-*")
	if err != nil {
		return Proof{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "program")
	if err := (conformance.File{From: p.store.Path(program), Mode: 0o755}).Copy(path); err != nil {
		return Proof{}, fmt.Errorf("writing the test program: %w", p.store.Explain(err))
	}
	rootfs, err := container.Unpack(ctx, p.store, img)
	if err != nil {
		return Proof{}, err
	}
	// Proven images are not booted again.
	defer func() { err = errors.Join(err, rootfs.Remove(context.WithoutCancel(ctx))) }()
	if uid, gid, e := rootfs.User(rootfs.Config().User); e == nil && uid+gid != 0 && !container.Privileged() {
		return Proof{Status: Skipped, Reason: fmt.Sprintf("the image runs as user %s, and a plain user may start containers of root only", rootfs.Config().User)}, nil
	}
	f, err := factsOf(rootfs)
	if err != nil {
		return Proof{}, err
	}
	return p.try(ctx, f.suite(), conformance.Options{Subject: subject{rootfs, dir}, Program: path}, step)
}

// program is the test program, compiled for this machine.
func (p *Prover) program(ctx context.Context) (v1.Hash, error) {
	h, err := shimbuild.Build(ctx, shimbuild.Options{
		Store: p.store, Toolchain: p.options.Toolchain, Fetch: p.options.Fetch, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Program: &shimbuild.Program{Name: "test program", Files: conformance.ProgramSource(), Package: conformance.ProgramPackage},
	})
	if err != nil {
		return h, err
	}
	return h, p.store.Verify(h)
}
