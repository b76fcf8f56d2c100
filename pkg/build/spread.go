package build

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// queue hands tasks to workers that may die, and of which not each can do each
// task: what a dead one had goes to the others.
type queue[T any] struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []T
	running int
	err     error
	// alive are the workers that are not lost, by what each can do now.
	alive map[int]func(T) bool
}

func newQueue[T any](tasks []T) *queue[T] {
	q := &queue[T]{waiting: slices.Clone(tasks), alive: map[int]func(T) bool{}}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// take returns the next task that this worker can do. It waits while another one
// might still give one back, and says false when all are done or one has failed.
func (q *queue[T]) take(ctx context.Context, worker int) (task T, ok bool) {
	stop := context.AfterFunc(ctx, q.wake)
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && ctx.Err() == nil {
		if i := slices.IndexFunc(q.waiting, q.alive[worker]); i >= 0 {
			task = q.waiting[i]
			q.waiting = slices.Delete(q.waiting, i, i+1)
			q.running++
			return task, true
		}
		if q.running == 0 && len(q.waiting) == 0 {
			break
		}
		q.changed.Wait()
	}
	return task, false
}

// done ends a task. The first error ends all.
func (q *queue[T]) done(err error) {
	q.mu.Lock()
	q.running--
	q.mu.Unlock()
	q.fail(err)
}

// fail ends all, where the error is one.
func (q *queue[T]) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
	}
	q.changed.Broadcast()
}

// leave takes a worker out that has given back what it had, and says how many
// are left.
func (q *queue[T]) leave(worker int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.alive, worker)
	return len(q.alive)
}

// stuck says whether a task waits that none of those who are left can do.
func (q *queue[T]) stuck() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.waiting, func(t T) bool {
		for _, can := range q.alive {
			if can(t) {
				return false
			}
		}
		return true
	})
}

// back gives a task to another worker.
func (q *queue[T]) back(task T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running--
	q.waiting = append([]T{task}, q.waiting...)
	q.changed.Broadcast()
}

// wake makes all who wait look again.
func (q *queue[T]) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

// result is the first error, and whether all is done.
func (q *queue[T]) result() (finished bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running == 0 && len(q.waiting) == 0, q.err
}

// errLost is a builder that is not there any more.
var errLost = errors.New("the builder is gone")

// spread does the tasks on all builders, each as it has room for what it can do,
// which may be more when another one is lost. one works at tasks from the queue
// until there are none, or its builder is lost: then it returns an error that
// wraps errLost. lost is told of it, and whether others go on.
func spread[T, B any](ctx context.Context, tasks []T, builders []B, can func(B, T) bool, one func(ctx context.Context, worker int, b B, q *queue[T]) error, lost func(b B, others bool, err error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	q := newQueue(tasks)
	for i, b := range builders {
		q.alive[i] = func(t T) bool { return can(b, t) }
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var gone []error
	for i, b := range builders {
		wg.Go(func() {
			err := one(ctx, i, b, q)
			switch {
			case err == nil:
			case errors.Is(err, errLost) && ctx.Err() == nil:
				mu.Lock()
				defer mu.Unlock()
				gone = append(gone, err)
				left := q.leave(i)
				lost(b, left > 0, err)
				if left > 0 && q.stuck() { // else the others would wait forever
					q.fail(fmt.Errorf("no builder is left that can do the rest: %w", errors.Join(gone...)))
					cancel()
				}
				q.wake()
			default:
				q.fail(err)
				cancel()
			}
		})
	}
	wg.Wait()
	finished, err := q.result()
	switch {
	case err != nil:
		return err
	case finished:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("no builder is left, and the build is not done: %w", errors.Join(gone...))
}
