package journal

import "bytes"

// maxCopy is the longest beginning of a line that is held back, in bytes.
const maxCopy = 512

// sieve takes the program's own copies of the platform's lines out of its
// output. What goes through does not depend on how the bytes are cut.
type sieve struct {
	copyOf func(line []byte) bool
	next   func([]byte)

	mid  bool   // the next byte is within a line
	held []byte // the beginning of a line that may be a copy
}

func (f *sieve) pass(b []byte) {
	if len(f.held) > 0 {
		b = append(f.held, b...)
		f.held = nil
	}
	kept := 0 // b[kept:] has not gone on
	for i := 0; i < len(b); {
		if !f.mid && mayBeCopy(b[i:]) {
			n := bytes.IndexByte(b[i:], '\n')
			if n < 0 && len(b)-i < maxCopy {
				f.held = bytes.Clone(b[i:])
				f.send(b[kept:i])
				return
			}
			if n >= 0 && f.copyOf(bytes.TrimSuffix(b[i:i+n], []byte("\r"))) {
				f.send(b[kept:i])
				i += n + 1
				kept = i
				continue
			}
		}
		// On to the next line that begins as copies do.
		n := bytes.Index(b[i:], []byte("\nF"))
		if n < 0 {
			f.mid = b[len(b)-1] != '\n'
			break
		}
		f.mid = false
		i += n + 1
	}
	f.send(b[kept:])
}

func (f *sieve) send(b []byte) {
	if len(b) > 0 {
		f.next(b)
	}
}

// release lets what is held go: the rest of the line has not come.
func (f *sieve) release() {
	if len(f.held) > 0 {
		b := f.held
		f.held, f.mid = nil, true
		f.next(b)
	}
}
