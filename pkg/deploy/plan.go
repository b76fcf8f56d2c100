package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Change is one field that differs.
type Change struct {
	Field  string `json:"field"` // as the API names it
	Before string `json:"before"`
	After  string `json:"after"`
}

// Changes is what a deployment does.
type Changes struct {
	Function string   `json:"function"`
	Region   string   `json:"region"`
	Image    string   `json:"image"`  // pinned by its digest, as the platform pulls it
	Create   bool     `json:"create"` // there is no such function yet
	Changes  []Change `json:"changes"`
	Notes    []string `json:"notes,omitempty"`
}

// None says that nothing is to do.
func (c *Changes) None() bool { return !c.Create && len(c.Changes) == 0 }

// Plan says what Apply would do, and changes nothing.
func (p *Deployment) Plan(ctx context.Context) (*Changes, error) {
	s, err := p.look(ctx)
	if err != nil {
		return nil, p.failed("planning", err)
	}
	return s.plan, nil
}

// state is what is there and what is wanted.
type state struct {
	cur, want *function // cur is nil where there is none
	function  []Change
	triggers  []*triggerState
	plan      *Changes
}

func (p *Deployment) look(ctx context.Context) (*state, error) {
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	cur, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{cur: cur, want: p.want(cur)}
	if s.want.Role, err = p.roleARN(cur, s.want.Role); err != nil {
		return nil, err
	}
	p.remark(cur)
	s.function = diff(cur, s.want)
	// What is broken is put there again, which is the platform's way out.
	if cur != nil && len(s.function) == 0 && cur.broken() {
		s.function = []Change{{Field: "state", Before: p.hide(cur.condition()), After: stateActive}}
	}
	if len(s.function) == 0 && cur.untested() {
		p.note("its image was never tried: a deployment was stopped; deploying waits for it and sends the test request")
	}
	if s.triggers, err = p.lookTriggers(ctx, cur != nil); err != nil {
		return nil, err
	}
	s.plan = &Changes{Function: p.fn.Name, Region: p.region, Image: p.image, Create: cur == nil, Changes: slices.Clone(s.function)}
	for _, t := range s.triggers {
		if c, ok := t.change(); ok {
			s.plan.Changes = append(s.plan.Changes, c)
		}
	}
	s.plan.Notes = p.notes
	return s, nil
}

// roleARN makes an ARN of a role's name, with the account of the function.
func (p *Deployment) roleARN(cur *function, role string) (string, error) {
	if role == "" || strings.Contains(role, ":") {
		return role, nil
	}
	if cur != nil {
		if a := account(cur.ARN); a != "" {
			return "acs:ram::" + a + ":role/" + role, nil
		}
	}
	return "", fmt.Errorf("the role %s: a new function needs its whole name, acs:ram::ACCOUNT:role/%[1]s, with the ID of the account", role)
}

// diff is what an update to w changes. Of environment variables it has names
// only: their values may be secrets.
func diff(cur, w *function) []Change {
	create := cur == nil
	if create {
		cur = &function{}
	}
	var all []Change
	add := func(field, before, after string) {
		if before != after {
			all = append(all, Change{Field: field, Before: printable(before), After: printable(after)})
		}
	}
	// What the template leaves open stays.
	open := func(field, before, after string) {
		if after != "" {
			add(field, before, after)
		}
	}
	var c container
	if cur.Container != nil {
		c = *cur.Container
	}
	if !sameImage(c.Image, w.Container.Image) {
		before := c.Image
		if _, digest := split(c.Image); digest == "" && c.Resolved != "" {
			_, digest = split(c.Resolved)
			before += " (" + digest + ")"
		}
		add("customContainerConfig.image", before, w.Container.Image)
	}
	open("runtime", cur.Runtime, w.Runtime)
	open("handler", cur.Handler, w.Handler)
	if !create || *w.Description != "" {
		add("description", text(cur.Description), text(w.Description))
	}
	open("cpu", decimal(cur.CPU), decimal(w.CPU))
	open("memorySize", number(cur.Memory), number(w.Memory))
	open("diskSize", number(cur.Disk), number(w.Disk))
	open("timeout", number(cur.Timeout), number(w.Timeout))
	open("instanceConcurrency", number(cur.Concurrency), number(w.Concurrency))
	open("role", cur.Role, w.Role)
	open("customContainerConfig.port", number(c.Port), number(w.Container.Port))
	add("customContainerConfig.entrypoint", words(c.Entrypoint), words(w.Container.Entrypoint))
	add("customContainerConfig.command", words(c.Command), words(w.Container.Command))
	open("customContainerConfig.acrInstanceId", c.Instance, w.Container.Instance)
	open("customContainerConfig.healthCheckConfig", c.Health.String(), w.Container.Health.String())
	var was, is lifecycle
	if cur.Lifecycle != nil {
		was = *cur.Lifecycle
	}
	if w.Lifecycle != nil {
		is = *w.Lifecycle
	}
	add("instanceLifecycleConfig.initializer", was.Initializer.String(), is.Initializer.String())
	add("instanceLifecycleConfig.preStop", was.PreStop.String(), is.PreStop.String())
	return append(all, diffEnvironment(cur.Environment, w.Environment)...)
}

func diffEnvironment(before, after map[string]string) (all []Change) {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		b, was := before[name]
		a, is := after[name]
		c := Change{Field: "environmentVariables." + printable(name)}
		switch {
		case !was:
			c.After = "a value"
		case !is:
			c.Before = "a value"
		case a != b:
			c.Before, c.After = "a value", "another value"
		default:
			continue
		}
		all = append(all, c)
	}
	return all
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func decimal(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 32)
}

func words(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return compact(list)
}

func (h *health) String() string {
	if h == nil || h.URL == "" {
		return ""
	}
	return compact(h)
}

func (h *hook) String() string {
	if h == nil || h.Handler == "" && len(h.Command) == 0 {
		return ""
	}
	s := h.Handler
	if s == "" {
		s = words(h.Command)
	}
	if h.Timeout > 0 {
		s += fmt.Sprintf(" (%d s)", h.Timeout)
	}
	return s
}

func compact(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
