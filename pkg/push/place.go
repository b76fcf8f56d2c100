package push

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"sync"

	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/progress"
)

// how a blob came to be in a repository.
type how int

const (
	existing how = iota
	mounted
	sent
)

// mountTries is after how many failures a blob is no more mounted but sent:
// some registries answer 500 to every mount.
const mountTries = 3

// place makes sure that the repository has the blob.
func (p *Pusher) place(ctx context.Context, repo *repository, b content.Blob) (how, error) {
	key := blobKey{host: memoryHost(repo), blob: b.Digest}
	state, leave, err := p.flight.enter(ctx, key)
	if err != nil {
		return 0, err
	}
	defer leave()
	step := progress.Start(ctx, "push "+path.Base(repo.at.Path)+" "+b.Name, b.Size)
	meter := &meter{step: step}
	u := p.upload(repo, b, meter)
	tries := 0
	got, err := retryWhile(ctx, p.o, func() int64 { return u.best }, func() (how, error) {
		tries++
		var from []string
		if tries <= mountTries && u.at == 0 {
			from = state.where(p.o.memory, key, repo.at.Path)
		}
		return u.place(ctx, from, func(r string) { state.forget(p.o.memory, key, r) })
	})
	if err == nil {
		if got != sent {
			step.Cached()
		}
		state.put(p.o.memory, key, repo.at.Path)
	}
	step.Done(err)
	return got, err
}

// upload is a new upload, or the one that was going on when a run before this
// one ended.
func (p *Pusher) upload(repo *repository, b content.Blob, m *meter) *upload {
	name := repo.at.Name()
	noted := p.o.memory.Upload(name, b.Digest)
	u := &upload{repo: repo, blob: b, meter: m, unsure: true}
	u.remember = func(location string) {
		if location != noted && b.Size > wholePut {
			p.o.memory.PutUpload(name, b.Digest, location)
			noted = location
		}
	}
	if to, err := url.Parse(noted); err == nil && noted != "" && (to.Scheme == "https" || to.Scheme == repo.host.scheme()) {
		u.location = to
	}
	return u
}

// place asks again what is there, also on a second try: the answer to the
// first may be all that was lost.
func (u *upload) place(ctx context.Context, from []string, forget func(repo string)) (how, error) {
	has, err := u.repo.hasBlob(ctx, u.blob.Digest)
	if err != nil {
		return 0, err
	}
	if has {
		u.remember("")
		return existing, nil
	}
	for _, r := range from {
		done, err := u.mount(ctx, r)
		if err != nil {
			return 0, err
		}
		if done {
			u.remember("")
			return mounted, nil
		}
		forget(r)
		if u.fresh {
			break // the registry began an upload instead
		}
	}
	return sent, u.run(ctx)
}

// mount asks for the blob of another repository. A refusal is no error, for
// the blob can be sent; then the registry may have begun an upload.
func (u *upload) mount(ctx context.Context, from string) (done bool, err error) {
	rq := u.repo.request(http.MethodPost, "blobs", "uploads/", http.StatusCreated, http.StatusAccepted,
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed)
	rq.query = url.Values{"mount": {u.blob.Digest.String()}, "from": {from}}
	rq.scopes = append(rq.scopes, "repository:"+from+":pull")
	res, err := u.repo.host.do(ctx, rq)
	switch {
	case refused(err):
		return false, nil // 401: no right to read the other repository
	case err != nil:
		return false, err
	case res.status == http.StatusCreated:
		return true, sameDigest(res, u.blob.Digest)
	case res.status == http.StatusAccepted:
		u.at, u.fresh, u.unsure, u.onItsWord, u.location = 0, true, false, false, nil
		return false, u.moved(res)
	}
	return false, nil
}

// memoryHost is under which name a registry's blobs are remembered: the
// embedded registry has another port in each run.
func memoryHost(r *repository) string {
	if r.at.Reference != "" {
		return r.at.Reference
	}
	return r.at.Host
}

// meter reports bytes to a step; those sent again do not count again.
type meter struct {
	step progress.Step

	mu   sync.Mutex
	most int64
}

// try returns a counter for one more try from an offset of the blob.
func (m *meter) try(at int64) func(n int) {
	return func(n int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		at += int64(n)
		if at > m.most {
			m.step.Add(at - m.most)
			m.most = at
		}
	}
}
