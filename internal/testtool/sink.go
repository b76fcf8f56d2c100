package testtool

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Noise returns size bytes that do not compress, the same for each seed.
func Noise(seed byte, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
}

// Sink is a registry without passwords that keeps no blob: it hashes what
// arrives, so that blobs of any size need no room. What it serves is in Blobs.
// It knows what the OCI distribution specification has of a push in chunks and
// of a pull, no mounts, and no ranges in pulls.
type Sink struct {
	mu        sync.Mutex
	blobs     map[string]int64 // by digest: the size of those that arrived
	manifests map[string]manifest
	uploads   map[string]*sunk
	received  int64

	// Blobs opens those that are served, by digest.
	Blobs map[string]func() (io.Reader, int64)
}

type manifest struct {
	raw       []byte
	mediaType string
}

type sunk struct {
	sum hash.Hash
	at  int64
}

// Has returns the size of a blob that arrived whole.
func (s *Sink) Has(digest string) (size int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok = s.blobs[digest]
	return size, ok
}

// Received is how many bytes of blobs arrived.
func (s *Sink) Received() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received
}

func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i := strings.LastIndex(r.URL.Path, "/blobs/")
	switch {
	case strings.Contains(r.URL.Path, "/manifests/"):
		s.manifest(w, r)
	case i < 0:
		w.WriteHeader(http.StatusOK) // /v2/
	case strings.HasPrefix(r.URL.Path[i:], "/blobs/uploads/"):
		s.upload(w, r, r.URL.Path[i+len("/blobs/uploads/"):])
	default:
		s.blob(w, r, r.URL.Path[i+len("/blobs/"):])
	}
}

func (s *Sink) manifest(w http.ResponseWriter, r *http.Request) {
	dir, ref, _ := strings.Cut(r.URL.Path, "/manifests/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.manifests == nil {
		s.manifests = map[string]manifest{}
	}
	if r.Method == http.MethodPut {
		raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		m := manifest{raw, r.Header.Get("Content-Type")}
		s.manifests[dir+"@"+ref], s.manifests[dir+"@"+digest(raw)] = m, m
		w.WriteHeader(http.StatusCreated)
		return
	}
	m, ok := s.manifests[dir+"@"+ref]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", m.mediaType)
	w.Header().Set("Docker-Content-Digest", digest(m.raw))
	w.Header().Set("Content-Length", strconv.Itoa(len(m.raw)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(m.raw)
	}
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func (s *Sink) blob(w http.ResponseWriter, r *http.Request, digest string) {
	if open := s.Blobs[digest]; open != nil {
		content, size := open()
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		if r.Method == http.MethodGet {
			_, _ = io.Copy(w, content)
		}
		return
	}
	size, ok := s.Has(digest)
	if !ok || r.Method != http.MethodHead {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
}

func (s *Sink) upload(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	if r.Method == http.MethodPost {
		id = strconv.Itoa(len(s.uploads))
		if s.uploads == nil {
			s.uploads, s.blobs = map[string]*sunk{}, map[string]int64{}
		}
		s.uploads[id] = &sunk{sum: sha256.New()}
		s.mu.Unlock()
		w.Header().Set("Location", r.URL.Path+id)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	u := s.uploads[id]
	s.mu.Unlock()
	from, _, chunk := strings.Cut(r.Header.Get("Content-Range"), "-")
	switch {
	case u == nil:
		w.WriteHeader(http.StatusNotFound)
		return
	case chunk && from != strconv.FormatInt(u.at, 10):
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	n, err := io.Copy(u.sum, r.Body)
	u.at += n
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += n
	got := "sha256:" + hex.EncodeToString(u.sum.Sum(nil))
	switch {
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	case r.Method == http.MethodPut && r.URL.Query().Get("digest") != got:
		w.WriteHeader(http.StatusBadRequest)
	case r.Method == http.MethodPut:
		s.blobs[got] = u.at
		w.WriteHeader(http.StatusCreated)
	default:
		w.Header().Set("Location", r.URL.Path)
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, u.at-1)))
		w.WriteHeader(http.StatusAccepted)
	}
}

// PeakMemory is the most memory that a process that still runs, "self" or a
// number, ever had, in bytes (VmHWM, proc_pid_status(5)). That of a process
// that has ended counts its parent's in, from before it was another program.
func PeakMemory(pid string) (int64, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("/proc/%s/status says no VmHWM", pid)
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10, err
}
