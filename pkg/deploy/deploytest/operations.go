package deploytest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// serve does what the path and the method say; the action has to agree.
func (p *Platform) serve(w http.ResponseWriter, r *http.Request, c Call, body []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/2023-03-30/"), "/")
	var name, trigger string
	if len(parts) > 1 {
		name = parts[1]
	}
	if len(parts) > 3 {
		trigger = parts[3]
	}
	e := p.functions[name]
	shape := r.Method
	for i, part := range parts {
		if i%2 == 1 {
			part = "*"
		}
		shape += " " + part
	}
	operations := map[string]struct {
		action string
		do     func()
	}{
		"POST functions":               {"CreateFunction", func() { p.create(w, c.Body) }},
		"GET functions *":              {"GetFunction", func() { answer(w, p.look(e)) }},
		"PUT functions *":              {"UpdateFunction", func() { p.update(w, e, c.Body) }},
		"POST functions * invocations": {"InvokeFunction", func() { p.invoke(w, r, e, body) }},
		"GET functions * triggers *": {"GetTrigger", func() {
			if e.triggers[trigger] == nil {
				openapitest.Refuse(w, http.StatusNotFound, "TriggerNotFound", "trigger '"+trigger+"' does not exist")
				return
			}
			answer(w, e.triggers[trigger])
		}},
		"POST functions * triggers":  {"CreateTrigger", func() { e.createTrigger(w, c.Body) }},
		"PUT functions * triggers *": {"UpdateTrigger", func() { maps.Copy(e.triggers[trigger], c.Body); answer(w, e.triggers[trigger]) }},
		"POST tags-v2":               {"TagResources", func() { p.tag(w, c.Body) }},
	}
	o, ok := operations[shape]
	switch {
	case !ok || o.action != c.Action:
		openapitest.Refuse(w, http.StatusBadRequest, "PathNotSupported", shape+" against "+c.Action+" is not supported")
	case parts[0] == "functions" && len(parts) > 1 && e == nil:
		openapitest.Refuse(w, http.StatusNotFound, "FunctionNotFound", "function '"+name+"' does not exist.")
	default:
		o.do()
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (p *Platform) create(w http.ResponseWriter, in map[string]any) {
	name, _ := in["functionName"].(string)
	handler, _ := in["handler"].(string)
	runtime, _ := in["runtime"].(string)
	switch {
	case name == "" || handler == "" || runtime == "":
		openapitest.Refuse(w, http.StatusBadRequest, "InvalidArgument", "functionName, handler and runtime are required")
		return
	case p.functions[name] != nil:
		openapitest.Refuse(w, http.StatusConflict, "FunctionAlreadyExists", "function '"+name+"' already exists")
		return
	}
	e := p.add(name)
	maps.Copy(e.fields, in)
	e.fields["state"], e.looks = "Pending", p.Looks
	answer(w, e.seen())
}

func (p *Platform) update(w http.ResponseWriter, e *entry, in map[string]any) {
	if e.fields["lastUpdateStatus"] == "InProgress" || e.fields["state"] == "Pending" {
		openapitest.Refuse(w, http.StatusConflict, "ConcurrentUpdateError", "the function is being updated")
		return
	}
	if in["tags"] != nil || in["functionName"] != nil || in["state"] != nil {
		openapitest.Refuse(w, http.StatusBadRequest, "InvalidArgument", "a field that cannot be updated")
		return
	}
	maps.Copy(e.fields, in)
	e.fields["lastUpdateStatus"], e.looks = "InProgress", p.Looks
	answer(w, e.seen())
}

// look is GetFunction; time passes by it.
func (p *Platform) look(e *entry) map[string]any {
	waiting := e.fields["state"] == "Pending" || e.fields["lastUpdateStatus"] == "InProgress"
	if waiting && e.looks > 0 {
		e.looks--
		return e.seen()
	}
	if !waiting {
		return e.seen()
	}
	reason := ""
	if p.Fail != nil {
		reason = p.Fail(e.image())
	}
	created := e.fields["state"] == "Pending"
	switch {
	case reason == "":
		e.fields["state"], e.fields["lastUpdateStatus"] = "Active", "Successful"
		for _, k := range []string{"stateReason", "stateReasonCode", "lastUpdateStatusReason", "lastUpdateStatusReasonCode"} {
			delete(e.fields, k)
		}
		e.settle()
	case created:
		e.fields["state"], e.fields["stateReason"], e.fields["stateReasonCode"] = "Failed", reason, "ImageError"
	default:
		e.fields["lastUpdateStatus"], e.fields["lastUpdateStatusReason"], e.fields["lastUpdateStatusReasonCode"] = "Failed", reason, "ImageError"
	}
	return e.seen()
}

// seen is what an answer has.
func (e *entry) seen() map[string]any {
	f := maps.Clone(e.fields)
	if c, ok := f["customContainerConfig"].(map[string]any); ok {
		c = maps.Clone(c)
		image, _ := c["image"].(string)
		if c["resolvedImageUri"] == nil {
			c["resolvedImageUri"] = image
		}
		f["customContainerConfig"] = c
	}
	return f
}

func (p *Platform) invoke(w http.ResponseWriter, r *http.Request, e *entry, event []byte) {
	if e.running == "" || e.fields["state"] != "Active" {
		openapitest.Refuse(w, http.StatusPreconditionFailed, "FunctionNotReady", "the function is not Active")
		return
	}
	p.events = append(p.events, string(event))
	w.Header().Set("X-Fc-Request-Id", "1-test-request")
	if p.Run == nil {
		w.WriteHeader(http.StatusOK)
		w.Write(event)
		return
	}
	run, image := p.Run, e.running
	p.mu.Unlock()
	reply := run(image, event)
	p.mu.Lock()
	if reply.Drop {
		panic(http.ErrAbortHandler)
	}
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	reply.write(w)
}

func (e *entry) createTrigger(w http.ResponseWriter, in map[string]any) {
	name, _ := in["triggerName"].(string)
	if e.triggers[name] != nil {
		openapitest.Refuse(w, http.StatusConflict, "TriggerAlreadyExists", "trigger '"+name+"' already exists")
		return
	}
	t := maps.Clone(in)
	t["httpTrigger"] = map[string]any{"urlInternet": "https://" + name + ".example.com"}
	e.triggers[name] = t
	answer(w, t)
}

func (p *Platform) tag(w http.ResponseWriter, in map[string]any) {
	ids, _ := in["ResourceId"].([]any)
	tags, _ := in["Tag"].([]any)
	for _, id := range ids {
		arn, _ := id.(string)
		for _, e := range p.functions {
			if e.fields["functionArn"] != arn {
				continue
			}
			for _, t := range tags {
				e.set(t)
			}
			answer(w, map[string]string{"RequestId": "0A1B-2C3D"})
			return
		}
	}
	openapitest.Refuse(w, http.StatusNotFound, "ResourceNotFound", "no such resource")
}

func (e *entry) set(t any) {
	m, _ := t.(map[string]any)
	list, _ := e.fields["tags"].([]any)
	list = append([]any(nil), list...)
	for i := range list {
		if have, ok := list[i].(map[string]any); ok && have["Key"] == m["Key"] {
			list[i] = m
			e.fields["tags"] = list
			return
		}
	}
	e.fields["tags"] = append(list, m)
}
