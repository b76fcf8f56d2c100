package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/scaffold"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// functionName is the platform's rule ("CreateFunction", functionName), but for the
// length, which is fc.MaxNameBytes.
var functionName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// check looks at what the template says, before anybody is asked.
func (p *Deployment) check() error {
	f := &p.fn
	switch {
	case !functionName().MatchString(f.Name) || len(f.Name) > fc.MaxNameBytes:
		return fmt.Errorf("%q is no name of a function; use letters, digits, _ and -, a letter or _ first, at most %d", f.Name, fc.MaxNameBytes)
	case f.Runtime != "" && f.Runtime != template.CustomContainer && f.Image == "":
		return fmt.Errorf("its runtime is %s, and only images are deployed; make one with imgbuild build and name it with --image", f.Runtime)
	case f.Role == "auto":
		return errors.New("role: auto is Serverless Devs' own; name the role, acs:ram::ACCOUNT:role/NAME")
	}
	if p.region != "" {
		if err := address.CheckRegion(p.region); err != nil {
			return err
		}
	}
	if f.Image == "" {
		return nil // a rollback needs none
	}
	r, err := address.ParseReference(f.Image)
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.Repository.Path, scaffold.Namespace+"/") {
		return fmt.Errorf("the image %s is not in your namespace of Container Registry yet; write that in the place of %s", f.Image, scaffold.Namespace)
	}
	return p.checkRegion(r)
}

// checkRegion sees that the image is where the function is: the platform pulls
// from the Container Registry of its own region and account only.
func (p *Deployment) checkRegion(r address.Reference) error {
	a, ok := address.ParseACR(r.Repository.Host)
	switch {
	case r.IsEmbedded():
		return fmt.Errorf("the image %s is in this machine's registry, which the platform does not reach; push it to Container Registry", r)
	case ok && p.region == "":
		p.region = a.Region
	case ok && a.Region != p.region:
		return fmt.Errorf("the function is in %s and its image in %s, and the platform pulls from its own region only; copy the image with imgbuild copy, or correct the region", p.region, a.Region)
	}
	return nil
}

// prepare pins the image. It is called before anything but a rollback.
func (p *Deployment) prepare(ctx context.Context) error {
	if p.image != "" {
		return nil
	}
	if p.fn.Image == "" {
		return errors.New("it has no image; name one with --image HOST/NAME:TAG, or in the template")
	}
	if p.region == "" {
		return errRegion
	}
	r, err := address.ParseReference(p.fn.Image)
	if err != nil {
		return err
	}
	// The zeros of imgbuild init stand for none.
	if r.Digest == (v1.Hash{}) || r.Digest.String() == template.NoDigest {
		r.Digest = v1.Hash{}
		if r.Digest, err = p.pin(ctx, r); err != nil {
			return err
		}
	}
	r.Tag = ""
	a, ok := address.ParseACR(r.Repository.Host)
	if ok {
		r.Repository.Host = a.VPC().Host()
	} else {
		p.note("%s is no host of Container Registry; the platform pulls from others only where it is set up to", r.Repository.Host)
	}
	p.image = r.String()
	return nil
}

var errRegion = errors.New("nothing says its region; give --region, such as --region cn-hangzhou, or set it in the template")

// pin asks the image's registry for its digest, over the internet: from where
// this runs its host in the VPC may not be reached.
func (p *Deployment) pin(ctx context.Context, r address.Reference) (v1.Hash, error) {
	if r.Tag == "" {
		return v1.Hash{}, fmt.Errorf("%s has no tag and no digest; write %[1]s:TAG or %[1]s@sha256:…", r)
	}
	if p.deployer.resolve == nil {
		return v1.Hash{}, fmt.Errorf("%s has no digest", r)
	}
	ask := r
	if a, ok := address.ParseACR(r.Repository.Host); ok {
		ask.Repository.Host = a.Public().Host()
	}
	h, err := p.deployer.resolve(ctx, ask)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("asking for the digest of %s, for a tag can move: %w; is it pushed? imgbuild build --push does it", ask, err)
	}
	p.note("%s is %s now; the function gets the digest", ask, h)
	return h, nil
}

// split is a reference as the platform has it: the repository, and what names
// the image in it.
func split(image string) (repository, digest string) {
	repository, digest, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
		repository = repository[:i]
	}
	return repository, digest
}

// running is the image that a function runs by its digest, as far as the
// platform says it: that of the reference, else that which it resolved a tag to.
func (f *function) running() (repository, digest string) {
	if f == nil || f.Container == nil {
		return "", ""
	}
	repository, digest = split(f.Container.Image)
	if digest == "" {
		_, digest = split(f.Container.Resolved)
	}
	return repository, digest
}

// sameImage compares references; hosts of one registry in different networks
// are the same.
func sameImage(a, b string) bool { return vpcForm(a) == vpcForm(b) }

func vpcForm(image string) string {
	host, rest, _ := strings.Cut(image, "/")
	if a, ok := address.ParseACR(host); ok {
		host = a.VPC().Host()
	}
	return host + "/" + rest
}
