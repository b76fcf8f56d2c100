package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// record is the file of one record: the key is kept to be compared, and a hash
// of the value makes a flipped bit a miss.
type record struct {
	Key   string          `json:"key"`
	Sum   string          `json:"sum"`
	Value json.RawMessage `json:"value"`
}

func (s *Store) recordPath(kind, key string) string {
	h := sha256.Sum256([]byte(key))
	return filepath.Join(s.root, "records", kind, hex.EncodeToString(h[:]))
}

// Record reads the record of that kind and key into value and says whether
// there is one. A damaged record counts as absent.
func (s *Store) Record(kind, key string, value any) (bool, error) {
	b, err := os.ReadFile(s.recordPath(kind, key))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the %s record from the store: %w", kind, err)
	}
	var r record
	if json.Unmarshal(b, &r) != nil || r.Key != key || r.Sum != sum(r.Value) || json.Unmarshal(r.Value, value) != nil {
		return false, nil
	}
	return true, nil
}

// PutRecord writes a record over an older one of the same kind and key. kind
// is one of the program's own words, never input.
func (s *Store) PutRecord(kind, key string, value any) error {
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	b, err := json.Marshal(record{Key: key, Sum: sum(v), Value: v})
	if err != nil {
		return err
	}
	if err := s.writeRecord(s.recordPath(kind, key), b); err != nil {
		return fmt.Errorf("writing the %s record to the store: %w", kind, s.explain(err))
	}
	return nil
}

// RemoveRecord removes the record of that kind and key, if there is one.
func (s *Store) RemoveRecord(kind, key string) error {
	if err := os.Remove(s.recordPath(kind, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the %s record from the store: %w", kind, err)
	}
	return nil
}

// SweepRecords removes the records of that kind that nobody wrote for so long.
// What cannot be removed stays.
func (s *Store) SweepRecords(kind string, age time.Duration) {
	sweepDir(filepath.Join(s.root, "records", kind), time.Now().Add(-age))
}

func (s *Store) writeRecord(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(s.root, "tmp"), "record-*")
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		f.Close()
		os.Remove(f.Name())
		return err
	}
	return publish(f, path, 0o644)
}

func sum(b []byte) string {
	h := sha256.Sum256(bytes.TrimSpace(b))
	return hex.EncodeToString(h[:])
}
