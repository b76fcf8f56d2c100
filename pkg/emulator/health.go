package emulator

import (
	"context"
	"io"
	"net/http"
	"time"
)

// watch looks whether the instance is well, as the function's configuration
// says, for as long as it lives and is awake. One that is not is taken out.
func (i *instance) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	i.unwatch = cancel
	go func() {
		select {
		case <-i.run.Done():
			i.e.retire(i)
		case <-ctx.Done():
		}
	}()
	h := i.e.function.Health
	if h == nil {
		return
	}
	period := orDefault(h.Period, 3*time.Second)
	limit, most := max(1, h.FailureThreshold), 0
	go func() {
		if !pauseFor(ctx, h.InitialDelay) {
			return
		}
		for pauseFor(ctx, period) {
			well, err := i.well(ctx, h.Path, orDefault(h.Timeout, time.Second))
			if well {
				most = 0
				continue
			}
			if most++; most >= limit && ctx.Err() == nil {
				i.say("the health check %s failed %d times: %v; the instance is ended", h.Path, most, err)
				i.e.retire(i)
				return
			}
		}
	}()
}

func orDefault(d, value time.Duration) time.Duration {
	if d == 0 {
		return value
	}
	return d
}

// well is one health check. What is frozen is not asked.
func (i *instance) well(ctx context.Context, path string, limit time.Duration) (bool, error) {
	if i.asleep(ctx) {
		return true, nil
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, "http://function"+path, nil)
	if err != nil {
		return false, err
	}
	res, err := i.client.RoundTrip(req)
	if err != nil {
		return i.asleep(ctx), err // it may have been frozen meanwhile
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, hookBody))
	if res.StatusCode < http.StatusOK || res.StatusCode >= http.StatusBadRequest {
		return false, errStatus(res.Status)
	}
	return true, nil
}

// asleep says whether the instance is frozen or has been ended, or nobody wants to
// know any more.
func (i *instance) asleep(ctx context.Context) bool {
	if i.hold(ctx) != nil {
		return true
	}
	defer i.letGo()
	return i.frozen || i.ended
}

type errStatus string

func (e errStatus) Error() string { return "it answers " + string(e) }
