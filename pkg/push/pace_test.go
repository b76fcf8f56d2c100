package push

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p pace
	now := time.Unix(1000, 0)
	for range 80 { // 10 a second
		if d := p.start(now); d != 0 {
			t.Fatalf("a wait of %s before there was any 429", d)
		}
		now = now.Add(100 * time.Millisecond)
	}
	p.tooMany(now)
	first := p.interval
	if first < 180*time.Millisecond || first > 250*time.Millisecond {
		t.Errorf("after 10 a second were too many there is one each %s, want about 200ms", first)
	}
	waits := []time.Duration{p.start(now), p.start(now), p.start(now)}
	if waits[0] != first || waits[2] != 3*first {
		t.Errorf("requests wait %s", waits)
	}
	p.tooMany(now) // of a request that was under way already
	if p.interval != first {
		t.Errorf("one burst of 429s counted twice: %s", p.interval)
	}
	now = now.Add(time.Minute)
	p.tooMany(now)
	if p.interval <= first || p.interval > slowest {
		t.Errorf("after a second 429 it is %s", p.interval)
	}
	for range 200 {
		p.taken()
	}
	if p.interval != 0 || p.start(now) != 0 {
		t.Errorf("200 requests later there still is %s", p.interval)
	}
}
