package lock

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-json-experiment/json"
	"github.com/imgbuild/imgbuild/pkg/definition"
)

// MaxSize is the size in bytes that a lock may have.
const MaxSize = 32 << 20

// ErrMissing is wrapped by the error of Load where a definition has no lock.
var ErrMissing = errors.New("there is no lock")

// Load reads the lock of a definition and checks that it belongs to it.
func Load(d *definition.Loaded) (*Lock, error) {
	data, err := d.ReadLock()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w for %s; run `imgbuild lock %s --update`", d.LockPath(), ErrMissing, d.Name, d.Ref)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lock of %s: %w", d.Name, err)
	}
	// What is inside imgbuild was checked by its tests, which read it as Read
	// does. Half of the time of `imgbuild list` went into doing so again.
	l, err := read(data, !d.Inside())
	if err != nil {
		return nil, fmt.Errorf("%s: %w; run `imgbuild lock %s --update`", d.LockPath(), err, d.Ref)
	}
	if err := l.BelongsTo(d.Digest()); err != nil {
		return nil, fmt.Errorf("%s: %w; run `imgbuild lock %s --update`", d.LockPath(), err, d.Ref)
	}
	return l, nil
}

// Read reads a lock strictly. Its sum is compared before anything else of it
// is believed. source is the name of the file for messages.
func Read(source string, data []byte) (*Lock, error) {
	l, err := read(data, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return l, nil
}

// read compares the sum; strictly, it believes nothing of the rest either.
func read(data []byte, strictly bool) (*Lock, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the lock has %d bytes, more than %d", len(data), MaxSize)
	}
	sum, err := checkSum(data)
	if err != nil {
		return nil, err
	}
	l := new(Lock)
	// Twice as fast as encoding/json, which is felt in `imgbuild list`; and it
	// takes no key twice and none in other letters.
	if err := json.Unmarshal(data, l, json.RejectUnknownMembers(true)); err != nil {
		// A lock of another schema has other fields: that is said first.
		if other := checkSchema(data); other != nil {
			return nil, other
		}
		return nil, fmt.Errorf("the lock can not be read: %w", err)
	}
	if l.Schema != Schema {
		return nil, checkSchema(data)
	}
	if !strictly {
		return l, nil
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	// What Marshal would not write is a key there twice, in other letters or
	// out of order; a hand at work in any case.
	again, err := l.Marshal()
	if err != nil {
		return nil, err
	}
	if l.Sum != sum || !bytes.Equal(again, data) {
		return nil, errors.New("the lock is not written as imgbuild writes it")
	}
	return l, nil
}

// checkSchema reads the schema alone and refuses all but this imgbuild's.
func checkSchema(data []byte) error {
	var head struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("the lock is not JSON: %w", err)
	}
	switch {
	case head.Schema > Schema:
		return fmt.Errorf("the lock has schema %d, this imgbuild reads %d: a newer imgbuild wrote it, use that one", head.Schema, Schema)
	case head.Schema != Schema:
		return fmt.Errorf("the lock has schema %d, this imgbuild reads %d", head.Schema, Schema)
	}
	return nil
}

// checkSum compares the sum at the file's end with the rest, and returns it.
func checkSum(data []byte) (string, error) {
	const hashLen = len("sha256:") + 64
	tail := len(data) - len(sumEnd) - hashLen - len(sumPrefix)
	if tail < 0 || !bytes.HasPrefix(data[tail:], []byte(sumPrefix)) || !bytes.HasSuffix(data, []byte(sumEnd)) {
		return "", errors.New("the file is no lock, or its end is missing")
	}
	sum := string(data[tail+len(sumPrefix):][:hashLen])
	body := append(bytes.Clone(data[:tail]), emptySum...)
	if got := sumOf(body); got != sum {
		return "", fmt.Errorf("the lock is damaged: its sum is %s, but %s is written in it", got, sum)
	}
	return sum, nil
}

// BelongsTo says whether the lock was resolved from the definition with that
// digest, as an error that says it was not.
func (l *Lock) BelongsTo(definitionDigest string) error {
	if l.Definition != definitionDigest {
		return errors.New("the lock does not belong to its definition, which has changed since")
	}
	return nil
}
