package dockerfile

import (
	"fmt"
	"path/filepath"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
)

// OfflineError says that a build needs what is not here.
type OfflineError struct{ error }

// offline says whether all that the Dockerfile names is here. What else it
// fetches, the builder's rules refuse.
func (w *work) offline() error {
	if w.unread != nil {
		return &OfflineError{fmt.Errorf("%s cannot be read here, so that nobody knows what --offline would lack: %w", filepath.Base(w.File), w.unread)}
	}
	for _, i := range w.plan.Images {
		if w.Local != nil && w.Local.Has(i.Ref) {
			continue
		}
		err := fmt.Errorf("%s:%d: --offline asks no registry, and %s is to come from one", filepath.Base(w.File), i.Line, i.Ref)
		if w.Local != nil {
			if hint := w.Local.Hint(i.Ref); hint != "" {
				err = fmt.Errorf("%w; %s", err, hint)
			}
		}
		return &OfflineError{err}
	}
	return nil
}

// keepsRules says whether the builder does what its rules say.
func (w *work) keepsRules(c gateway.Client) error {
	caps := c.BuildOpts().LLBCaps
	if caps.Supports(pb.CapSourcePolicy) != nil {
		return fmt.Errorf("the builder %s is too old for --offline: that needs BuildKit 0.11", w.builder.Address)
	}
	return nil
}

// denied is what the builder says of a source that its rules refuse.
func denied(text string) bool { return strings.Contains(text, "denied by policy") }
