package frontend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/imgbuild/imgbuild/pkg/definition"
)

// Options of a client, as BuildKit's own frontend has them.
const (
	keyFilename   = "filename"
	keyDefinition = "dockerfilekey" // which of the client's folders has it
	localContext  = "context"
)

// files are a definition and what is beside it, at a client or in the
// repository that it names.
type files struct {
	client gateway.Client
	ui     *dockerui.Client
	// name is the definition's path.
	name   string
	source *dockerui.Source
}

// read takes the definition's text from the client.
func read(ctx context.Context, c gateway.Client) (*files, error) {
	opts := c.BuildOpts().Opts
	f := &files{client: c, name: opts[keyFilename]}
	if f.name == "" {
		f.name = definition.FileName
		opts[keyFilename] = f.name
	}
	err := f.open(ctx)
	// docker sends the definition's folder by a name of its own. Who calls
	// buildctl by hand may give the context only.
	if noFolder(err) && opts[keyDefinition] == "" {
		opts[keyDefinition] = localContext
		err = f.open(ctx)
	}
	switch {
	case noFolder(err):
		return nil, fmt.Errorf("the client gives no folder to read %s from; add --local context=DIR", f.name)
	case notExist(err):
		return nil, fmt.Errorf("there is no definition %s; name it by -f, with buildctl by --opt filename=PATH", f.name)
	}
	return f, err
}

func (f *files) open(ctx context.Context) (err error) {
	if f.ui, err = ui(f.client); err != nil {
		return err
	}
	f.source, err = f.ui.ReadEntrypoint(ctx, "YAML", llb.FollowPaths([]string{f.name, f.lockName()}))
	return err
}

// lockName is the path of the definition's lock.
func (f *files) lockName() string {
	return strings.TrimSuffix(f.name, path.Ext(f.name)) + path.Ext(definition.LockName)
}

// definition reads the definition with the files that it takes along.
func (f *files) definition(ctx context.Context) (*definition.Loaded, error) {
	dir, name := path.Split(path.Clean(f.name))
	// A first reading says which files are to be sent.
	wanted := []string{f.name, f.lockName()}
	_, _ = definition.Parse(f.name, f.source.Data, func(p string) ([]byte, error) {
		wanted = append(wanted, path.Join(dir, p))
		return nil, nil
	})
	src := f.source
	if len(wanted) > 2 {
		var err error
		if src, err = f.ui.ReadEntrypoint(ctx, "YAML", llb.FollowPaths(wanted), llb.SharedKeyHint("imgbuild-definition")); err != nil {
			return nil, fmt.Errorf("reading the files of %s: %w", f.name, err)
		}
	}
	res, err := f.client.Solve(ctx, gateway.SolveRequest{Definition: src.Definition.ToPB()})
	if err != nil {
		return nil, err
	}
	ref, err := res.SingleRef()
	if err != nil {
		return nil, err
	}
	return definition.LoadFrom(folder{ctx, ref, dir}, path.Clean(dir), name)
}

func (f *files) warn(ctx context.Context, text string) {
	f.source.Warn(ctx, text, gateway.WarnOpts{})
}

// folder is a folder at BuildKit.
type folder struct {
	ctx context.Context
	ref gateway.Reference
	dir string
}

// Stat implements fs.StatFS.
func (f folder) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	s, err := f.ref.StatFile(f.ctx, gateway.StatRequest{Path: path.Join(f.dir, name)})
	if notExist(err) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return info{s}, nil
}

// Open implements fs.FS. The file is read at once, up to what a definition may
// take along and one byte more.
func (f folder) Open(name string) (fs.File, error) {
	i, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	// BuildKit's answers may have 16 MiB.
	const piece = 8 << 20
	var content []byte
	for want := min(i.Size(), definition.MaxFile+1); int64(len(content)) < want; {
		b, err := f.ref.ReadFile(f.ctx, gateway.ReadRequest{
			Filename: path.Join(f.dir, name),
			Range:    &gateway.FileRange{Offset: len(content), Length: int(min(piece, want-int64(len(content))))},
		})
		if err == nil && len(b) == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		content = append(content, b...)
	}
	return file{bytes.NewReader(content), i}, nil
}

type file struct {
	*bytes.Reader
	info fs.FileInfo
}

func (f file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f file) Close() error               { return nil }

type info struct{ stat *fstypes.Stat }

func (i info) Name() string       { return path.Base(i.stat.Path) }
func (i info) Size() int64        { return i.stat.Size }
func (i info) Mode() fs.FileMode  { return fs.FileMode(i.stat.Mode) }
func (i info) ModTime() time.Time { return time.Unix(0, i.stat.ModTime) }
func (i info) IsDir() bool        { return i.Mode().IsDir() }
func (i info) Sys() any           { return nil }

// notExist says whether an error that has come from BuildKit, as a text, is
// that of a file that is not there.
func notExist(err error) bool {
	return err != nil && (errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "no such file or directory"))
}

// noFolder says whether an error is that of a client which does not give a
// folder of that name.
func noFolder(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "no local") || strings.Contains(err.Error(), "no access allowed to dir"))
}
