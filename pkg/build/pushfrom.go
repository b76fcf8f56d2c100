package build

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/imgbuild/imgbuild/pkg/buildkit"
	"github.com/imgbuild/imgbuild/pkg/content"
	"github.com/imgbuild/imgbuild/pkg/push"
	"github.com/imgbuild/imgbuild/pkg/step"
)

// Names of the secrets of a push.
const (
	configSecret = "imgbuild-push-config"
	caSecret     = "imgbuild-push-ca"
)

// share is what one builder pushes: for each destination, some of its images.
type share struct {
	builder *buildkit.Builder // that has most of it; another may do it
	images  [][]sharedImage   // by destination
}

// sharedImage is an image of a destination's.
type sharedImage struct {
	n       int // its place there
	content *content.Content
}

// compare says whether what a builder says of a push can be of this image. That
// the registry has it, who asked for the push has to look up.
func (i sharedImage) compare(want push.Request, r push.Result) error {
	to, root := want.Repository.Name(), i.content.Root().Digest
	for _, tag := range r.Kept {
		if !slices.Contains(want.Immutable, tag) {
			return fmt.Errorf("the builder left the tag %s:%s, which was to be moved", to, tag)
		}
	}
	if r.Digest != root || r.Reference != want.Reference(root, r.Kept) {
		return fmt.Errorf("the builder pushed %s as %q, and was asked for %s@%s", r.Digest, r.Reference, to, root)
	}
	return nil
}

// PushAll sends images, whose layers have stayed on the builders, from there to
// their registries, as push.Pusher does from here. Builders get the logins for
// these registries as secrets of one session. What was pushed before an error is
// in the results.
func (e *BuildKit) PushAll(ctx context.Context, ds []push.Destination) ([][]push.Result, error) {
	secrets, err := e.pushSecrets(ctx, ds)
	if err != nil {
		return nil, err
	}
	shares, err := e.divide(ds)
	if err != nil {
		return nil, err
	}
	results := make([][]push.Result, len(ds))
	errs := make([]error, len(ds))
	for i, d := range ds {
		results[i] = make([]push.Result, len(d.Images))
	}
	var mu sync.Mutex
	can := func(b *buildkit.Builder, sh *share) bool { return sh.builder == b || e.isDead(sh.builder) }
	one := func(ctx context.Context, worker int, b *buildkit.Builder, q *queue[*share]) error {
		return inSession(ctx, e, worker, b, secrets, q, func(s *building, sh *share) (gateway.Reference, error) {
			pushed, err := s.push(ds, sh)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			for d, some := range sh.images {
				for n, image := range some {
					if d >= len(pushed.Results) || n >= len(pushed.Results[d]) || pushed.Results[d][n] == nil {
						continue
					}
					r := *pushed.Results[d][n]
					if err := image.compare(ds[d].Images[image.n], r); err != nil {
						return nil, fmt.Errorf("%s: %w", b.Address, err)
					}
					results[d][image.n] = r
				}
				if d < len(pushed.Errors) && pushed.Errors[d] != "" {
					errs[d] = errors.Join(errs[d], errors.New(pushed.Errors[d]))
				}
			}
			return nil, nil
		})
	}
	if err := spread(ctx, shares, e.Builders, can, one, e.lost); err != nil {
		// Other builders' shares may be there: the results say which.
		return results, errors.Join(append(errs, err)...)
	}
	return results, partialError(ds, errs)
}

func (e *BuildKit) isDead(b *buildkit.Builder) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dead[b]
}

// partialError is what push.Pusher.PushAll says of some that failed.
func partialError(ds []push.Destination, errs []error) error {
	p := &push.PartialError{}
	for i, err := range errs {
		if err == nil {
			p.Done = append(p.Done, ds[i].Name)
			continue
		}
		p.Failed = append(p.Failed, ds[i].Name)
		p.Errs = append(p.Errs, err)
	}
	switch {
	case len(p.Failed) == 0:
		return nil
	case len(ds) == 1:
		return errs[0]
	}
	return p
}

// divide gives each image to the builder that has most of it.
func (e *BuildKit) divide(ds []push.Destination) ([]*share, error) {
	var shares []*share
	byBuilder := map[*buildkit.Builder]*share{}
	for d, to := range ds {
		for i, r := range to.Images {
			c, err := content.Of(r.Image, r.Index)
			if err != nil {
				return nil, err
			}
			has := map[*buildkit.Builder]int64{}
			most := e.Builders[0]
			for _, blob := range c.Blobs {
				if m, ok := e.made[blob.Digest]; ok {
					has[m.builder] += m.size
					if has[m.builder] > has[most] {
						most = m.builder
					}
				}
			}
			sh := byBuilder[most]
			if sh == nil {
				sh = &share{builder: most, images: make([][]sharedImage, len(ds))}
				byBuilder[most], shares = sh, append(shares, sh)
			}
			sh.images[d] = append(sh.images[d], sharedImage{i, c})
		}
	}
	return shares, nil
}

// describe is the step of a share, and the layers that it needs.
func (sh *share) describe(ds []push.Destination) (p step.Push, layers []v1.Hash, err error) {
	known, small := map[v1.Hash]bool{}, map[v1.Hash]bool{}
	for d, some := range sh.images {
		to := step.PushDestination{Name: ds[d].Name}
		for _, image := range some {
			r, c := ds[d].Images[image.n], image.content
			root := c.Root()
			to.Images = append(to.Images, step.PushImage{Digest: root.Digest, MediaType: root.MediaType, Repository: r.Repository, Tags: r.Tags, Immutable: r.Immutable})
			if known[root.Digest] {
				continue
			}
			known[root.Digest] = true
			for _, m := range c.Manifests {
				if !small[m.Digest] {
					small[m.Digest] = true
					p.Small = append(p.Small, m.Raw)
				}
			}
			for _, b := range c.Blobs {
				if small[b.Digest] {
					continue
				}
				small[b.Digest] = true
				if b.Name != "config" {
					layers = append(layers, b.Digest)
					continue
				}
				raw, err := readAll(b)
				if err != nil {
					return p, nil, err
				}
				p.Small = append(p.Small, raw)
			}
		}
		p.Destinations = append(p.Destinations, to)
	}
	return p, layers, nil
}

func readAll(b content.Blob) ([]byte, error) {
	r, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, 16<<20))
}

// push has a share pushed by this session's builder. Layers of a builder that is
// gone are made anew for it, for which mirrors are tried as make tries them.
func (s *building) push(ds []push.Destination, sh *share) (pushed step.Pushed, err error) {
	p, layers, err := sh.describe(ds)
	if err != nil {
		return pushed, err
	}
	for failed := 0; ; failed++ {
		pushed, err = s.pushLayers(p, layers, failed)
		if err == nil || s.ctx.Err() != nil || !s.fetchFailed(err) {
			return pushed, err
		}
	}
}

// pushLayers pushes, when fetching has failed that often.
func (s *building) pushLayers(p step.Push, layers []v1.Hash, failed int) (pushed step.Pushed, err error) {
	v, _, err := s.vertices(failed)
	if err != nil {
		return pushed, err
	}
	opts := []llb.RunOption{
		llb.IgnoreCache, // what a registry has is no function of the images
		llb.Network(llb.NetModeSandbox),
		llb.AddEnv("DOCKER_CONFIG", step.SecretsDir),
		llb.AddEnv("SSL_CERT_FILE", path.Join(step.SecretsDir, step.CAFile)),
		llb.AddSecret(path.Join(step.SecretsDir, step.ConfigFile), llb.SecretID(configSecret)),
		llb.AddSecret(path.Join(step.SecretsDir, step.CAFile), llb.SecretID(caSecret)),
	}
	for _, h := range layers {
		made, ok := s.made[h]
		if !ok {
			return pushed, fmt.Errorf("the layer %s is of an existing image, and no builder has it; push it from here, without --push-from", h)
		}
		as, _, err := s.vertices(max(made.try, failed))
		if err != nil {
			return pushed, err
		}
		from, err := as.layer(made.job)
		if err != nil {
			return pushed, err
		}
		opts = append(opts, llb.AddMount(path.Join(step.LayersDir, h.Hex), from, llb.Readonly))
	}
	ex, err := v.step("push from "+s.builder.Address.String(), step.Spec{Push: &p}, opts...)
	if err != nil {
		return pushed, err
	}
	def, err := ex.AddMount(step.OutDir, llb.Scratch()).Marshal(s.ctx, llb.Platform(s.native))
	if err != nil {
		return pushed, err
	}
	r, err := s.client.Solve(s.ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	if err != nil {
		return pushed, err
	}
	ref, err := r.SingleRef()
	if err != nil {
		return pushed, err
	}
	b, err := ref.ReadFile(s.ctx, gateway.ReadRequest{Filename: step.PushFile})
	if err != nil {
		return pushed, err
	}
	return pushed, json.Unmarshal(b, &pushed)
}

// pushSecrets are the logins for the destinations, and nobody else's, and the
// certificate authorities that this machine trusts.
func (e *BuildKit) pushSecrets(ctx context.Context, ds []push.Destination) (map[string][]byte, error) {
	type entry struct {
		Auth          string `json:"auth,omitempty"`
		IdentityToken string `json:"identitytoken,omitempty"`
		RegistryToken string `json:"registrytoken,omitempty"`
	}
	auths := map[string]entry{}
	for _, d := range ds {
		for _, r := range d.Images {
			host := r.Repository.Host
			if _, ok := auths[host]; ok {
				continue
			}
			c, err := buildkit.Login(ctx, e.Keychain, host)
			if err != nil {
				return nil, err
			}
			login := entry{IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken}
			if c.Username != "" || c.Password != "" {
				login.Auth = base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
			}
			auths[host] = login
		}
	}
	for host, login := range auths {
		if login == (entry{}) {
			delete(auths, host)
		}
	}
	config, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return nil, err
	}
	return map[string][]byte{configSecret: config, caSecret: authorities()}, nil
}

// maxAuthorities is how large a secret may be (BuildKit's session/secrets).
const maxAuthorities = 500 << 10

// authorities are the certificate authorities of this machine, which may have
// one of the company's own.
func authorities() []byte {
	for _, file := range []string{os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if b, err := os.ReadFile(file); err == nil && len(b) > 0 && len(b) <= maxAuthorities {
			return b
		}
	}
	return []byte("\n") // a secret is never empty
}
