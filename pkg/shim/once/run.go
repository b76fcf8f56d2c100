package once

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// patience is how long the output of a program that has ended is still read
// where something that it left behind keeps it open.
const patience = 500 * time.Millisecond

// run is one run of the program, with our ends of its standard files.
type run struct {
	process Process
	stdin   *os.File
	stdout  *os.File
	stderr  *os.File
	begun   bool // the answer's head was given
	tail    tail
	logged  chan struct{}         // log has ended
	broke   atomic.Pointer[error] // how the request's body broke off
}

// start runs the program for r.
func (b *Backend) start(r *message.Request, call fc.Call) (*run, error) {
	var files [3]*os.File // the program's ends
	var ends [3]*os.File  // ours
	closeAll := func(all [3]*os.File) {
		for _, f := range all {
			if f != nil {
				_ = f.Close()
			}
		}
	}
	defer func() { closeAll(files) }()
	for i := range files {
		in, out, err := os.Pipe()
		if err != nil {
			closeAll(ends)
			return nil, err
		}
		if i == 0 {
			files[i], ends[i] = in, out
		} else {
			files[i], ends[i] = out, in
		}
	}
	p, err := b.o.Start(environ(b.o.Environ, r, call), files)
	if err != nil {
		closeAll(ends)
		return nil, err
	}
	run := &run{process: p, stdin: ends[0], stdout: ends[1], stderr: ends[2],
		tail: tail{lines: b.o.Lines}, logged: make(chan struct{})}
	go func() {
		<-p.Done()
		end := time.Now().Add(patience)
		_ = run.stdout.SetReadDeadline(end)
		_ = run.stderr.SetReadDeadline(end)
		_ = run.stdin.SetWriteDeadline(time.Now())
	}()
	return run, nil
}

// close ends the program if it has not ended, and waits for all that serves
// it, so that nothing touches the request afterwards. feed may still wait for
// the client: its Read ends with the exchange.
func (r *run) close() {
	select {
	case <-r.process.Done():
	default:
		r.process.Kill()
		<-r.process.Done()
	}
	_ = r.stdin.Close()
	<-r.logged
	_ = r.stdout.Close()
	_ = r.stderr.Close()
}

// feed writes the request's body to stdin. A program that does not read it all
// is none the worse for that. A body that broke off kills the program, which
// could take it for whole.
func (r *run) feed(body message.Body) {
	defer r.stdin.Close()
	if body == nil {
		return
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			if _, err := r.stdin.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			r.broke.Store(&err)
			r.process.Kill()
			return
		}
	}
}

// logLine is how long a line may be in bytes so as not to mix with others.
const logLine = 16 << 10

// log passes stderr on in whole lines, because other runs log at the same time,
// and keeps the last ones.
func (r *run) log(to io.Writer) {
	defer close(r.logged)
	buffer, begun := make([]byte, logLine), 0 // buffer[:begun] is the beginning of a line
	for {
		n, err := r.stderr.Read(buffer[begun:])
		r.tail.add(buffer[begun : begun+n])
		begun += n
		whole := bytes.LastIndexByte(buffer[:begun], '\n') + 1
		switch {
		case err != nil && begun > whole:
			_, _ = to.Write(append(buffer[:begun], '\n'))
		case whole == 0 && begun == len(buffer):
			whole = begun
			fallthrough
		case whole > 0:
			_, _ = to.Write(buffer[:whole])
			begun = copy(buffer, buffer[whole:begun])
		}
		if err != nil {
			return
		}
	}
}

// held is how much of an answer is held back until the program ends.
const held = 64 << 10

// answer makes the answer of stdout and the exit code.
func (r *run) answer(x message.Exchange) error {
	buffer := make([]byte, held)
	n, err := io.ReadFull(r.stdout, buffer)
	if err != nil { // this is all
		if why := r.ended(err); why != nil {
			return why
		}
		h := message.Header{{Name: "Content-Type", Value: contentType(buffer[:n], true)}}
		message.Answer(x, 200, h, buffer[:n])
		return nil
	}
	h := message.Header{{Name: "Content-Type", Value: contentType(buffer, false)}}
	r.begun = true
	if x.Head(message.Head{Status: 200, Header: h, Length: -1}) != nil {
		return r.abort(x)
	}
	for {
		if _, err := x.Write(buffer[:n]); err != nil {
			return r.abort(x)
		}
		if x.Flush() != nil {
			return r.abort(x)
		}
		if n, err = r.stdout.Read(buffer); err != nil {
			break
		}
	}
	if why := r.ended(err); why != nil {
		x.Abort()
		return why
	}
	if x.End(nil) != nil {
		return r.abort(x)
	}
	return nil
}

func (r *run) abort(x message.Exchange) error {
	r.process.Kill()
	x.Abort()
	return message.ErrAborted
}

// ended waits for the program's end and says how it failed, nil for success.
// err is how stdout ended: where the time for it was up, something that the
// program left behind keeps it open, which is no fault of the program.
func (r *run) ended(err error) error {
	if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, os.ErrDeadlineExceeded) {
		return r.failure(message.ProgramBadAnswer, "reading the program's output: "+err.Error())
	}
	if r.process.Code() == 0 {
		return nil
	}
	return r.failure(message.ProgramExited, "the program "+r.process.Ending())
}

// failure carries the last lines of this run, and none of another's. It waits
// for the program's end.
func (r *run) failure(kind, text string) *message.Failure {
	<-r.logged
	return &message.Failure{Status: 502, Type: kind, Message: text, Lines: r.tail.last()}
}
