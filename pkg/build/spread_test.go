package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fleet is workers without builders: each does four tasks at a time, and dies
// when it has begun as many as lives says, 0 for never.
type fleet struct {
	mu    sync.Mutex
	begun map[string]int
	did   map[int]string // which worker has done which task
	lives map[string]int
	fails map[int]error
	slow  map[string]time.Duration
	// until says when a worker's tasks may end.
	until map[string]func() bool
	late  int // tasks that were begun after the first error
	wrong bool
	notes []string
	can   func(worker string, task int) bool
}

func newFleet() *fleet {
	return &fleet{begun: map[string]int{}, did: map[int]string{}, lives: map[string]int{}, fails: map[int]error{}, slow: map[string]time.Duration{}, until: map[string]func() bool{}, can: func(string, int) bool { return true }}
}

func (f *fleet) spread(ctx context.Context, tasks int, workers ...string) error {
	var all []int
	for i := range tasks {
		all = append(all, i)
	}
	lost := func(w string, others bool, err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.notes = append(f.notes, fmt.Sprintf("%s %v", w, others))
	}
	return spread(ctx, all, workers, f.can, f.work, lost)
}

// work is what inSession does.
func (f *fleet) work(ctx context.Context, worker int, name string, q *queue[int]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	end := func(err error) { once.Do(func() { failed = err; cancel(err) }) }
	for range inFlight {
		wg.Go(func() {
			for {
				task, ok := q.take(ctx, worker)
				if !ok {
					return
				}
				f.mu.Lock()
				f.begun[name]++
				if f.wrong {
					f.late++
				}
				dead := f.lives[name] > 0 && f.begun[name] >= f.lives[name]
				err := f.fails[task]
				f.mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond + f.slow[name]):
				}
				f.hold(ctx, name)
				switch {
				case dead:
					q.back(task)
					end(fmt.Errorf("%w: %s", errLost, name))
					return
				case ctx.Err() != nil:
					q.back(task)
					end(context.Cause(ctx))
					return
				case err != nil:
					q.done(err)
					f.mu.Lock()
					f.wrong = true
					f.mu.Unlock()
					end(err)
					return
				}
				f.mu.Lock()
				if by, twice := f.did[task]; twice {
					f.fails[-1] = fmt.Errorf("%d was done by %s and %s", task, by, name)
				}
				f.did[task] = name
				f.mu.Unlock()
				q.done(nil)
			}
		})
	}
	wg.Wait()
	return failed
}

// hold waits until a worker's task may end, and not forever.
func (f *fleet) hold(ctx context.Context, name string) {
	may := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.until[name] == nil || f.until[name]()
	}
	for limit := time.Now().Add(20 * time.Second); !may() && ctx.Err() == nil && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
}

func (f *fleet) check(t *testing.T, tasks int) {
	t.Helper()
	if len(f.did) != tasks || f.fails[-1] != nil {
		t.Errorf("%d of %d tasks done, %v", len(f.did), tasks, f.fails[-1])
	}
}

func TestSpread(t *testing.T) {
	f := newFleet()
	for _, w := range []string{"a", "b", "c"} {
		f.until[w] = func() bool { return len(f.begun) == 3 } // who comes last has tasks left
	}
	if err := f.spread(t.Context(), 100, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	f.check(t, 100)
	for _, w := range []string{"a", "b", "c"} {
		if f.begun[w] == 0 {
			t.Errorf("%s had nothing to do: %v", w, f.begun)
		}
	}
	if err := newFleet().spread(t.Context(), 0, "a"); err != nil {
		t.Error(err)
	}
}

// Who is slow takes less, and nobody waits with an empty hand: of the slow one's
// tasks none ends before all others have.
func TestSpreadFollowsSpeed(t *testing.T) {
	f := newFleet()
	f.until["b"] = func() bool { return len(f.did)+f.begun["b"] >= 60 }
	if err := f.spread(t.Context(), 60, "a", "b"); err != nil {
		t.Fatal(err)
	}
	f.check(t, 60)
	if f.begun["b"] > inFlight {
		t.Errorf("the slow one had %d tasks", f.begun["b"])
	}
}

// What a dead worker had is done by the others, also where these had finished.
func TestSpreadMovesTheShareOfTheDead(t *testing.T) {
	for _, tasks := range []int{1, 4, 9, 100} {
		for life := range 6 {
			f := newFleet()
			f.lives["b"] = life + 1
			f.slow["b"] = 20 * time.Millisecond // so that a has long had no task when b dies
			if err := f.spread(t.Context(), tasks, "a", "b"); err != nil {
				t.Fatal(err)
			}
			f.check(t, tasks)
			if f.begun["b"] > life && !slices.Equal(f.notes, []string{"b true"}) {
				t.Errorf("noted %q", f.notes)
			}
			for task, by := range f.did {
				if by == "b" && life == 0 {
					t.Errorf("the dead one did %d", task)
				}
			}
		}
	}
}

func TestSpreadAllDie(t *testing.T) {
	f := newFleet()
	f.lives["a"], f.lives["b"] = 7, 3
	err := f.spread(t.Context(), 100, "a", "b")
	if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "no builder is left, and the build is not done") ||
		!strings.Contains(err.Error(), ": a") || !strings.Contains(err.Error(), ": b") {
		t.Errorf("got %v", err)
	}
	slices.Sort(f.notes)
	if len(f.notes) != 2 || strings.Count(strings.Join(f.notes, " "), "true") != 1 {
		t.Errorf("others go on after one death, not after both: %q", f.notes)
	}
}

// One that dies after the last task was done is no reason to fail.
func TestSpreadDeathAfterTheEnd(t *testing.T) {
	one := func(ctx context.Context, worker int, name string, q *queue[int]) error {
		for {
			if _, ok := q.take(ctx, worker); !ok {
				return fmt.Errorf("%w: exporting", errLost)
			}
			q.done(nil)
		}
	}
	err := spread(t.Context(), []int{1, 2}, []string{"a"}, func(string, int) bool { return true }, one, func(string, bool, error) {})
	if err != nil {
		t.Error(err)
	}
}

func TestSpreadFirstErrorEndsAll(t *testing.T) {
	boom := errors.New("boom")
	f := newFleet()
	f.fails[10] = boom
	f.slow["a"], f.slow["b"] = time.Millisecond, time.Millisecond
	if err := f.spread(t.Context(), 10_000, "a", "b"); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if f.late >= 2*inFlight { // those that were taken at the same time
		t.Errorf("%d tasks were begun after the error", f.late)
	}
	if len(f.notes) > 0 {
		t.Errorf("nobody was lost: %q", f.notes)
	}
}

func TestSpreadCancel(t *testing.T) {
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := newFleet()
	f.slow["a"] = time.Hour
	time.AfterFunc(30*time.Millisecond, func() { cancel(stop) })
	begin := time.Now()
	if err := f.spread(ctx, 100, "a"); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	if len(f.notes) > 0 {
		t.Errorf("nobody was lost: %q", f.notes)
	}
}

// Each task goes to a worker that can do it. Where that one dies, nobody waits
// for it.
func TestSpreadByAbility(t *testing.T) {
	odd := func(worker string, task int) bool { return worker == "both" || task%2 == 0 }
	f := newFleet()
	f.can = odd
	if err := f.spread(t.Context(), 50, "even", "both"); err != nil {
		t.Fatal(err)
	}
	f.check(t, 50)
	for task, by := range f.did {
		if task%2 == 1 && by != "both" {
			t.Errorf("%s did %d", by, task)
		}
	}
	f = newFleet()
	f.can = odd
	f.lives["both"] = 5
	done := make(chan error, 1)
	go func() { done <- f.spread(t.Context(), 50, "even", "both") }()
	select {
	case err := <-done:
		if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "no builder is left that can do the rest") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the other waits forever")
	}
}

// What was a dead worker's alone is anybody's afterwards: so are pushes.
func TestSpreadInheritance(t *testing.T) {
	f := newFleet()
	f.lives["b"] = 2
	f.can = func(worker string, task int) bool {
		owner := "a"
		if task%2 == 1 {
			owner = "b"
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		return worker == owner || owner == "b" && slices.Contains(f.notes, "b true")
	}
	if err := f.spread(t.Context(), 20, "a", "b"); err != nil {
		t.Fatal(err)
	}
	f.check(t, 20)
}
