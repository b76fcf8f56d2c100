package dockerfile

import (
	"slices"

	spb "github.com/moby/buildkit/sourcepolicy/pb"
)

// The builder's rules for sources hold for a whole request, whatever reads the
// Dockerfile.

// pin makes the builder take the image of that name from another place. One
// before BuildKit 0.11 knows no rules and resolves the name itself, a moment later.
func pin(ref, place string) *spb.Rule {
	return &spb.Rule{
		Action:   spb.PolicyAction_CONVERT,
		Selector: &spb.Selector{Identifier: "docker-image://" + ref, MatchType: spb.MatchType_EXACT},
		Updates:  &spb.Update{Identifier: place},
	}
}

// fetchNothing are the rules of a build that is offline. Where bases are in
// Docker, they have the form of those in a registry.
func (w *work) fetchNothing() (rules []*spb.Rule) {
	add := func(action spb.PolicyAction, pattern string) {
		rules = append(rules, &spb.Rule{Action: action, Selector: &spb.Selector{Identifier: pattern, MatchType: spb.MatchType_WILDCARD}})
	}
	for _, kind := range []string{"docker-image*", "http://*", "https://*", "git://*"} {
		add(spb.PolicyAction_DENY, kind)
	}
	if w.builder.IsDocker() {
		for _, i := range w.plan.Images {
			add(spb.PolicyAction_ALLOW, "docker-image://"+i.Ref+"*")
		}
	}
	return rules
}

// policy are all rules, nil for none.
func (w *work) policy() *spb.Policy {
	rules := w.rules
	if w.Offline {
		rules = slices.Concat(w.fetchNothing(), rules)
	}
	if len(rules) == 0 {
		return nil
	}
	return &spb.Policy{Version: 1, Rules: rules}
}
