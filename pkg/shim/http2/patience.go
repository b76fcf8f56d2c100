package http2

import "time"

// What costs the peer little and us work, PING, SETTINGS, empty DATA, streams
// that are reset at once (CVE-2023-44487), is paid for out of a budget that
// fills up again with time.
const (
	patienceMost      = 10_000
	patiencePerSecond = 10_000

	costFrame = 1
	// costStream is for a stream that was opened to no end.
	costStream = 10
)

type patience struct {
	spent int
	at    time.Time // when the budget was filled last
}

var errPatience = connError{codeEnhanceYourCalm, "too many frames that ask for nothing"}

// spend fails where the budget is used up.
func (p *patience) spend(n int) error {
	if p.spent += n; p.spent <= patienceMost {
		return nil
	}
	now := time.Now()
	p.spent -= int(min(now.Sub(p.at).Seconds(), 3600) * patiencePerSecond)
	p.spent = max(p.spent, 0)
	p.at = now
	if p.spent > patienceMost {
		return errPatience
	}
	return nil
}
