package fetch

import (
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/lock"
	"github.com/imgbuild/imgbuild/pkg/mirror"
)

// NotFoundError says that no mirror has a file: each answered 403, 404 or 410
// (a Go proxy answers 403 for a version it does not carry).
type NotFoundError struct {
	// Input is what was fetched, zero for Get.
	Input   lock.Input
	Archive string
	Path    string
	// URLs were asked; they hold no credentials.
	URLs []string
	// Statuses are the answers, such as "404 Not Found".
	Statuses []string
}

func (e *NotFoundError) Error() string {
	asked := make([]string, len(e.URLs))
	for i, u := range e.URLs {
		asked[i] = fmt.Sprintf("%s answered %s", u, e.Statuses[i])
	}
	return "the mirror does not have it: " + strings.Join(asked, "; ")
}

// Is makes the error one of fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// OfflineError says that something is missing that only the network has.
type OfflineError struct {
	Input   lock.Input // zero for Get and Exists
	Archive string
	Path    string
}

func (e *OfflineError) Error() string {
	what := e.Path
	if e.Input.Name != "" {
		what = e.Input.Name + " " + e.Input.Version
	}
	return fmt.Sprintf("%s is not in the store, and --offline forbids to fetch it; run the same command once without --offline", what)
}

// unreachable is the error where every mirror failed; it tells the way out.
func unreachable(archive string, err error) error {
	return fmt.Errorf("%w; to fetch from another place set %s or --mirror %s=URL", err, mirror.Variable(archive), archive)
}

// attempts is what became of asking one URL.
type attempts struct {
	url   string
	from  string
	tries int
	took  time.Duration
	err   error
}

func (a *attempts) Error() string {
	if a.tries == 1 {
		return fmt.Sprintf("%s (from %s): %v", a.url, a.from, a.err)
	}
	return fmt.Sprintf("%s (from %s): %v (tried %d times in %s)", a.url, a.from, a.err, a.tries, a.took.Round(100*time.Millisecond))
}

func (a *attempts) Unwrap() error { return a.err }
