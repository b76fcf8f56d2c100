package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgbuild/imgbuild/bench/internal/measure"
)

// cut cuts the wire once, at 90 % of a large blob, and counts what is sent
// again. Where that falls into the middle of a request, docker-registry 2.8 gives
// the upload up: what it holds is no longer what its own state says, and all
// begin anew. So there is a row for a cut between two chunks, too.
func (b *bench) cut(ctx context.Context) error {
	i, err := b.large(*mib)
	if err != nil {
		return err
	}
	at := cut{after: i.size / 10 * 9}
	between := cut{after: at.after, between: true}
	clients := []push{b.copyFresh, b.cranePush, b.skopeoCopy}
	for _, c := range []struct {
		what, server string
		cut          cut
		clients      []push
	}{
		{"anywhere, " + embedded, embedded, at, clients},
		{"anywhere, " + debian, debian, at, clients},
		// Peers send a blob in one request, which has no between.
		{"between two chunks, " + debian, debian, between, clients[:1]},
	} {
		again, err := b.sentAgain(ctx, c.server, i, c.cut, c.clients)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		w := row{what: fmt.Sprintf("sent again after a cut at 90 %% of %s, %s", measure.MB(i.size), c.what), asked: "11 %", ours: percent(again[0], i.size), met: again[0]*100 <= i.size*11}
		if len(again) > 1 {
			w.crane, w.skopeo = percent(again[1], i.size), percent(again[2], i.size)
		}
		b.report.add(w)
	}
	return nil
}

// sentAgain returns for each client how many bytes it sent more than the image
// has.
func (b *bench) sentAgain(ctx context.Context, server string, i *image, at cut, clients []push) (again []int64, err error) {
	r, err := b.newRegion(ctx, server)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	for _, p := range clients {
		if err := r.empty(); err != nil {
			return nil, err
		}
		quiet()
		this := at
		r.clear(&this)
		if _, err := p(ctx, i, r.addr+"/base/image:bench"); err != nil {
			// It gave up; whoever ran it does so again.
			if _, _, done := r.counted(); !done {
				return nil, err
			}
			if _, err := p(ctx, i, r.addr+"/base/image:bench"); err != nil {
				return nil, err
			}
		}
		_, sent, done := r.counted()
		if !done {
			return nil, errors.New("the wire was never cut")
		}
		again = append(again, sent-i.size)
	}
	return again, nil
}
