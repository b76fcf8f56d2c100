package discovery

import (
	"net/netip"
	"testing"
	"time"
)

func TestSettling(t *testing.T) {
	one := []Address{{TCP: netip.MustParseAddrPort("0.0.0.0:3000")}}
	two := append(one, Address{TCP: netip.MustParseAddrPort("0.0.0.0:4000")})
	var s Settling
	for _, step := range []struct {
		at    time.Duration // in milliseconds
		found []Address
		busy  bool
		want  time.Duration
	}{
		{0, nil, true, 0},
		{50, nil, true, 50},
		{60, one, true, 0},
		{100, one, true, 40},
		{150, one, true, 90}, // looked at from here on
		{170, one, true, 99},
		{180, one, false, 99},
		{185, one, true, 99}, // not calm for long enough
		{190, one, false, 99},
		{200, one, false, 140},
		{210, one, true, 150}, // what was believed stays so
		{220, two, false, 0},
		{320, two, true, 99},
		{1219, two, true, 99},
		{1220, two, true, 1000},
		{1300, nil, true, 0},
	} {
		got := s.Age(step.at*time.Millisecond, step.found, func() bool { return step.busy })
		if got = got.Truncate(time.Millisecond) / time.Millisecond; got != step.want {
			t.Errorf("at %d: %d, want %d", step.at, got, step.want)
		}
	}
}
