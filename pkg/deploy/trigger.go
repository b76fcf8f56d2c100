package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// triggerName is the platform's rule ("Trigger", triggerName).
var triggerName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_-]{0,127}$`)

// triggerState is one trigger of the template, and what is there.
type triggerState struct {
	want          template.Trigger
	cur           *trigger // nil for none
	before, after httpConfig
}

// httpConfig is what a template says of an HTTP trigger's configuration. The
// rest of it, such as the keys of JWT, stays as it is.
type httpConfig struct {
	Auth    string   `json:"authType"`
	Methods []string `json:"methods"`
}

func (c httpConfig) String() string {
	if c.Auth == "" {
		return ""
	}
	return printable("http, " + c.Auth + ", " + strings.Join(c.Methods, " "))
}

// lookTriggers asks for the triggers of the template. Those that it does not
// have are left alone.
func (p *Deployment) lookTriggers(ctx context.Context, there bool) (all []*triggerState, err error) {
	for _, t := range p.fn.Triggers {
		if t.Type != "http" {
			p.note("the trigger %s is not deployed: imgbuild does HTTP triggers only, and this is %s", t.Name, t.Type)
			continue
		}
		if !triggerName().MatchString(t.Name) {
			return nil, fmt.Errorf("%q is no name of a trigger; use letters, digits, _ and -, a letter or _ first, at most 128", t.Name)
		}
		s := &triggerState{want: t, after: httpConfig{Auth: t.Auth, Methods: sortedMethods(t.Methods)}}
		if s.after.Auth == "" {
			s.after.Auth = "function" // never open to everybody because nothing was said
		}
		if there {
			if s.cur, err = p.getTrigger(ctx, t.Name); err != nil {
				return nil, err
			}
		}
		if s.cur != nil {
			if s.cur.Type != "http" {
				return nil, fmt.Errorf("the trigger %s is there and is %s, not http; give the template's another name, or remove that one", t.Name, s.cur.Type)
			}
			if err := json.Unmarshal([]byte(s.cur.Config), &s.before); err != nil {
				return nil, fmt.Errorf("the trigger %s: its configuration cannot be read: %w", t.Name, err)
			}
			s.before.Methods = sortedMethods(s.before.Methods)
		} else if t.Auth == "jwt" {
			return nil, fmt.Errorf("the trigger %s: keys of jwt are not in what imgbuild deploys; make this trigger in the console once", t.Name)
		}
		all = append(all, s)
	}
	return all, nil
}

func sortedMethods(methods []string) []string {
	out := make([]string, 0, len(methods))
	for _, m := range methods {
		out = append(out, strings.ToUpper(m))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (s *triggerState) change() (Change, bool) {
	c := Change{Field: "triggers." + s.want.Name, Before: s.before.String(), After: s.after.String()}
	return c, c.Before != c.After
}

// URL is where a trigger is called.
type URL struct {
	Trigger  string `json:"trigger"`
	Internet string `json:"internet"`
}

// applyTriggers makes the triggers as the template has them, and returns the
// addresses of all.
func (p *Deployment) applyTriggers(ctx context.Context, all []*triggerState) (urls []URL, err error) {
	for _, s := range all {
		t := s.cur
		if _, differs := s.change(); differs {
			if t, err = p.applyTrigger(ctx, s); err != nil {
				return urls, fmt.Errorf("the trigger %s: %w", s.want.Name, err)
			}
		}
		if t != nil && t.HTTP != nil && t.HTTP.Internet != "" {
			urls = append(urls, URL{Trigger: s.want.Name, Internet: printable(t.HTTP.Internet)})
		}
	}
	return urls, nil
}

func (p *Deployment) applyTrigger(ctx context.Context, s *triggerState) (*trigger, error) {
	config := map[string]any{}
	if s.cur != nil {
		if err := json.Unmarshal([]byte(s.cur.Config), &config); err != nil {
			return nil, err
		}
	}
	config["authType"], config["methods"] = s.after.Auth, s.after.Methods
	data, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	if s.cur == nil {
		t, err := p.createTrigger(ctx, &trigger{Name: s.want.Name, Type: "http", Config: string(data), Qualifier: "LATEST"})
		if !refused(err, "TriggerAlreadyExists") {
			return t, err
		}
		// Made by somebody else meanwhile, or by a try whose answer was lost.
	}
	return p.updateTrigger(ctx, s.want.Name, &trigger{Config: string(data)})
}
