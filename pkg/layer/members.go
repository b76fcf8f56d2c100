package layer

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/pgzip"
)

// spliceFrom is the size in bytes from which content that is deflated already
// becomes a gzip member of its own. Below it a new member, which knows nothing
// of what came before, would cost more than it spares. Part of the digest.
const spliceFrom = 256 << 10

// gzipMembers writes a gzip file of several members (RFC 1952, section 2.2):
// those that it compresses, and between them those that were compressed
// already. Every reader of gzip takes them as one stream; eStargz's layers are
// made in the same way.
type gzipMembers struct {
	w    io.Writer
	z    *pgzip.Writer
	open bool
	any  bool
}

func newGzipMembers(w io.Writer) (*gzipMembers, error) {
	z, err := pgzip.NewWriterLevel(w, gzipLevel)
	if err != nil {
		return nil, err
	}
	return &gzipMembers{w: w, z: z}, nil
}

// Write compresses p.
func (g *gzipMembers) Write(p []byte) (int, error) {
	if !g.open {
		g.z.Reset(g.w)
		if err := g.z.SetConcurrency(gzipBlock, gzipBlocks); err != nil {
			return 0, err
		}
		g.open, g.any = true, true
	}
	return g.z.Write(p)
}

// Close ends the file. An empty one has one member.
func (g *gzipMembers) Close() error {
	if !g.any {
		if _, err := g.Write(nil); err != nil {
			return err
		}
	}
	return g.end()
}

func (g *gzipMembers) end() error {
	if !g.open {
		return nil
	}
	g.open = false
	return g.z.Close()
}

// splice writes d as a member of its own while it is read by use, which must
// read all of it.
func (g *gzipMembers) splice(d *Deflated, use func(io.Reader) error) error {
	if err := g.end(); err != nil {
		return err
	}
	g.any = true
	// The header that pgzip writes too: deflate, no flags, no time, no
	// operating system.
	if _, err := g.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}); err != nil {
		return err
	}
	d.copy.w = g.w
	if err := use(d); err != nil {
		return err
	}
	var trailer [8]byte
	binary.LittleEndian.PutUint32(trailer[:4], d.CRC32)
	binary.LittleEndian.PutUint32(trailer[4:], uint32(d.Size))
	_, err := g.w.Write(trailer[:])
	return err
}
