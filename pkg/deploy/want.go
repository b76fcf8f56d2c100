package deploy

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/template"
)

// want is the function as the template has it. cur is what is there, nil for
// none: what the template does not say stays as it is.
func (p *Deployment) want(cur *function) *function {
	f := &p.fn
	entrypoint, command := f.Entrypoint, f.Command
	if f.Runtime != "" && f.Runtime != template.CustomContainer {
		// A code package, with the image that was made of it: the image's own
		// entrypoint starts what the template starts.
		entrypoint, command = nil, slices.Concat(f.Entrypoint, f.Command)
	}
	w := &function{
		Runtime:     template.CustomContainer,
		Handler:     f.Handler,
		Description: &f.Description,
		CPU:         f.CPU,
		Memory:      f.Memory,
		Disk:        f.Disk,
		Timeout:     seconds(f.Timeout),
		Concurrency: f.Concurrency,
		Environment: map[string]string{},
		Role:        f.Role,
		Container: &container{
			Image: p.image, Port: f.Port, Instance: f.InstanceID,
			// Empty lists, not none: they take away what was there.
			Entrypoint: append([]string{}, entrypoint...),
			Command:    append([]string{}, command...),
			Health:     wantHealth(f.Health),
		},
	}
	maps.Copy(w.Environment, f.Environment)
	if w.Handler == "" && cur == nil {
		w.Handler = "handler" // it has to be there, and means nothing to an image
	}
	if cur == nil {
		cur = &function{}
	}
	if cur.Container != nil {
		if w.Container.Instance == "" {
			w.Container.Instance = cur.Container.Instance
		}
		if w.Container.Health == nil {
			w.Container.Health = cur.Container.Health
		}
		w.Container.Acceleration = cur.Container.Acceleration
	}
	if sameRole(cur.Role, f.Role) {
		w.Role = cur.Role
	}
	var was lifecycle
	if cur.Lifecycle != nil {
		was = *cur.Lifecycle
	}
	initializer, preStop := wantHook(f.Initializer, was.Initializer), wantHook(f.PreStop, was.PreStop)
	if initializer != nil || preStop != nil {
		w.Lifecycle = &lifecycle{Initializer: initializer, PreStop: preStop}
	}
	return w
}

// remark tells what of the template the platform does not get.
func (p *Deployment) remark(cur *function) {
	f := &p.fn
	if f.Service != "" {
		p.note("the service %s is not made: functions of this API stand on their own", f.Service)
	}
	if len(f.Others) > 0 {
		p.note("of the template imgbuild does not deploy %s; set that once by other means, and it stays", strings.Join(f.Others, ", "))
	}
	if len(f.Policies) > 0 {
		p.note("imgbuild makes no role for the policies %s; make one, and name it in the template", strings.Join(f.Policies, ", "))
	}
	if f.PreFreeze.Set {
		p.note("the hook PreFreeze is not deployed: this API has none")
	}
	if cur != nil && cur.Container != nil && cur.Container.Health != nil && cur.Container.Health.URL != "" && f.Health == nil {
		p.note("the template has no health check; that of the function, %s, stays", cur.Container.Health.URL)
	}
}

func wantHealth(h *template.Health) *health {
	if h == nil {
		return nil
	}
	// The platform answers with its defaults where nothing was said.
	return &health{
		URL: h.Path, InitialDelay: seconds(h.InitialDelay), Period: cmp.Or(seconds(h.Period), 3), Timeout: cmp.Or(seconds(h.Timeout), 1),
		FailureThreshold: cmp.Or(h.FailureThreshold, 3), SuccessThreshold: cmp.Or(h.SuccessThreshold, 1),
	}
}

// wantHook is nil where there is none and was none.
func wantHook(h template.Hook, was *hook) *hook {
	there := was.String() != ""
	switch {
	case h.Set:
		w := &hook{Handler: h.Handler, Timeout: seconds(h.Timeout)}
		if len(h.Command) > 0 || there && len(was.Command) > 0 {
			w.Command = append([]string{}, h.Command...)
		}
		if w.Timeout == 0 && there {
			w.Timeout = was.Timeout
		}
		return w
	case there:
		return noHook() // the API's way to take one away
	}
	return nil
}

func noHook() *hook { return &hook{Command: []string{}, Timeout: 3} }

// seconds are whole ones; a part counts as one.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// sameRole compares an ARN, acs:ram::ACCOUNT:role/NAME, with an ARN or a name.
func sameRole(arn, role string) bool {
	if arn == "" || role == "" {
		return arn == role
	}
	if strings.Contains(role, ":") {
		return strings.EqualFold(arn, role)
	}
	_, name, _ := strings.Cut(arn, ":role/")
	return strings.EqualFold(name, role)
}

// account is the ID in acs:fc:REGION:ACCOUNT:functions/NAME, "" where it is
// something else.
func account(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 5 || parts[0] != "acs" || strings.Trim(parts[3], "0123456789") != "" {
		return ""
	}
	return parts[3]
}
