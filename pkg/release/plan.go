package release

import (
	"context"
	"slices"

	"github.com/imgbuild/imgbuild/pkg/attach"
	"github.com/imgbuild/imgbuild/pkg/push"
)

// Plan is what a run would do.
type Plan struct {
	// Images are those of the release, built: only then their digests are known.
	Images       []PlannedImage       `json:"images"`
	Destinations []PlannedDestination `json:"destinations"`
	// Bytes are of image blobs that would be sent, Requests those of all that
	// would be asked and sent at least: what attachments take is not known before.
	Bytes    int64 `json:"bytes"`
	Requests int   `json:"requests"`
}

// PlannedImage is one image of a plan.
type PlannedImage struct {
	Name      string   `json:"name"` // NAME:TAG
	Digest    string   `json:"digest"`
	Platforms []string `json:"platforms"`
	// Prove are the platforms that would be booted, or whose proof from
	// before would be taken.
	Prove []string `json:"prove,omitempty"`
}

// PlannedDestination is what a run would do at one destination.
type PlannedDestination struct {
	Name   string        `json:"name"`
	Images []PlannedPush `json:"images"`
	Error  string        `json:"error,omitempty"` // it can not be asked
}

// PlannedPush is what a run would do about one image at one destination.
type PlannedPush struct {
	push.ImagePlan
	// Attach are the tags of attachments that would be made, or looked at
	// because they are not known to be right.
	Attach []string `json:"attach,omitempty"`
}

// Plan builds the images and asks the destinations what they have. It sends,
// boots and signs nothing.
func (r *Release) Plan(ctx context.Context) (*Plan, error) {
	all, err := r.build(ctx)
	if err != nil {
		return nil, err
	}
	if r.bundles, err = r.pack(ctx); err != nil {
		return nil, err
	}
	ds, err := r.look(ctx, all)
	if err != nil {
		return nil, err
	}
	plan := &Plan{}
	for _, b := range all {
		img := PlannedImage{Name: b.String(), Digest: b.digest.String(), Platforms: b.platformNames()}
		for _, p := range img.Platforms {
			if r.asks(p) == "" {
				img.Prove = append(img.Prove, p)
			}
		}
		plan.Images = append(plan.Images, img)
	}
	for _, d := range ds {
		to := PlannedDestination{Name: d.name}
		if d.err != nil {
			to.Error = d.err.Error()
			plan.Destinations = append(plan.Destinations, to)
			continue
		}
		for _, s := range slices.Concat(d.images, d.bundles) {
			p := PlannedPush{ImagePlan: s.plan}
			p.Requests += len(s.attachments)
			for _, a := range s.missing() {
				p.Attach = append(p.Attach, attach.Tag(a.of, a.kind))
				p.Requests += requestsToAttach
			}
			plan.Bytes += p.Bytes()
			plan.Requests += p.Requests
			to.Images = append(to.Images, p)
		}
		plan.Destinations = append(plan.Destinations, to)
	}
	return plan, nil
}

// requestsToAttach is how many a new attachment takes at least: it is looked
// for; config and layer are each asked for and sent (POST, PUT); the manifest
// is asked for, sent by digest and by tag, and read back.
const requestsToAttach = 1 + 2*3 + 5
