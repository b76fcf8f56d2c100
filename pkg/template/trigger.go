package template

import (
	"maps"
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// methods of HTTP triggers (fc3's schema; fun has no OPTIONS and PATCH).
var methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}

// funTriggers are fun's types of events, by what Serverless Devs calls them.
var funTriggers = map[string]string{
	"HTTP": "http", "Timer": "timer", "OSS": "oss", "Log": "log", "MNSTopic": "mns_topic", "CDN": "cdn_events",
	"TableStore": "tablestore", "Datahub": "datahub", "RDS": "rds", "Api": "api",
}

var triggerTypes = []string{"http", "timer", "oss", "log", "mns_topic", "cdn_events", "tablestore", "eventbridge"}

// httpTrigger is what an HTTP trigger has.
type httpTrigger struct {
	Auth    string
	Methods []string
}

// http reads what an HTTP trigger has, from where its format has it.
func (r *reader) http(t *Trigger, h httpTrigger, path, auth, list string, kinds []string) {
	t.Auth = strings.ToLower(r.choice(path+"/"+auth, h.Auth, kinds))
	at := path + "/" + list
	r.Some(at, len(h.Methods), len(methods))
	r.Unique(at, h.Methods)
	for i, m := range h.Methods {
		t.Methods = append(t.Methods, r.choice(strictyaml.At(at, i), m, methods))
	}
}

// funEvent is a trigger in template.yaml.
type funEvent struct {
	Type       string         `json:"Type"`
	Properties strictyaml.Raw `json:"Properties,omitempty"`
}

type funHTTP struct {
	AuthType  string         `json:"AuthType"`
	Methods   []string       `json:"Methods"`
	Role      strictyaml.Raw `json:"InvocationRole,omitempty"`
	Qualifier strictyaml.Raw `json:"Qualifier,omitempty"`
}

func (r *reader) funTrigger(name string, v strictyaml.Raw) (t Trigger, ok bool) {
	var e funEvent
	r.Read(v, &e)
	at := v.Path()
	if !r.Has(at + "/Type") {
		return t, false
	}
	known := slices.Sorted(maps.Keys(funTriggers))
	t = Trigger{Name: name, Type: funTriggers[r.choice(at+"/Type", e.Type, known)], Line: r.Line(at)}
	if t.Type != "http" {
		return t, t.Type != ""
	}
	if e.Properties.Node == nil {
		r.Add(at, "Properties is missing", "add AuthType and Methods of the HTTP trigger there")
		return t, false
	}
	var h funHTTP
	r.Read(e.Properties, &h)
	r.http(&t, httpTrigger{h.AuthType, h.Methods}, at+"/Properties", "AuthType", "Methods", []string{"anonymous", "function"})
	return t, true
}

// fcTrigger is a trigger of the component fc.
type fcTrigger struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Config      strictyaml.Raw `json:"config,omitempty"`
	Description strictyaml.Raw `json:"description,omitempty"`
	Role        strictyaml.Raw `json:"role,omitempty"`
	SourceArn   strictyaml.Raw `json:"sourceArn,omitempty"`
	Qualifier   strictyaml.Raw `json:"qualifier,omitempty"`
}

// fc3Trigger is one of the component fc3.
type fc3Trigger struct {
	Name        string         `json:"triggerName"`
	Type        string         `json:"triggerType"`
	Config      strictyaml.Raw `json:"triggerConfig,omitempty"`
	Description strictyaml.Raw `json:"description,omitempty"`
	Role        strictyaml.Raw `json:"invocationRole,omitempty"`
	SourceArn   strictyaml.Raw `json:"sourceArn,omitempty"`
	Qualifier   strictyaml.Raw `json:"qualifier,omitempty"`
}

type projectHTTP struct {
	AuthType           string         `json:"authType"`
	Methods            []string       `json:"methods"`
	AuthConfig         strictyaml.Raw `json:"authConfig,omitempty"`
	DisableURLInternet strictyaml.Raw `json:"disableURLInternet,omitempty"`
}

// projectTrigger reads a trigger of s.yaml, whose type and config are at those
// keys.
func (r *reader) projectTrigger(name, kind string, config strictyaml.Raw, path, typeKey, configKey string, kinds []string) (t Trigger, ok bool) {
	if !r.Has(path + "/" + typeKey) {
		return t, false
	}
	t = Trigger{Name: name, Type: r.choice(path+"/"+typeKey, kind, triggerTypes), Line: r.Line(path)}
	if t.Type != "http" {
		return t, true
	}
	if config.Node == nil {
		r.Add(path, configKey+" is missing", "add authType and methods of the HTTP trigger there")
		return t, false
	}
	var h projectHTTP
	r.Read(config, &h)
	r.http(&t, httpTrigger{h.AuthType, h.Methods}, config.Path(), "authType", "methods", kinds)
	return t, true
}
