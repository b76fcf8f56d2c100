package container

// WithoutOverlay makes containers as on a machine that has no overlayfs for us.
func WithoutOverlay(without bool) { withoutOverlay.Store(without) }
