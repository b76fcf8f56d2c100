package template

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// reader reads one template.
type reader struct {
	*strictyaml.Report
	source    string
	format    format
	functions []Function
	// at is where the image of each function is written, by key.
	at map[string]strictyaml.Raw
}

// add takes a function whose name is written at path.
func (r *reader) add(f Function, path string, image strictyaml.Raw) {
	if _, there := r.at[key(f)]; there {
		r.Add(path, "the function "+strictyaml.Quote(f.Name)+" is there twice", "give one of them another name")
		return
	}
	r.at[key(f)] = image
	f.File = r.source
	r.functions = append(r.functions, f)
}

// key tells the functions of a template apart.
func key(f Function) string { return f.Region + "/" + f.Service + "/" + f.Name }

// line notes where a field is.
func (r *reader) line(f *Function, field, path string) {
	if n := r.Line(path); n > 0 {
		if f.Lines == nil {
			f.Lines = map[string]int{}
		}
		f.Lines[field] = n
	}
}

// whole is a number that must be at least least, or what it is when it is not
// written.
func (r *reader) whole(path string, value, least, otherwise int) int {
	if !r.Has(path) {
		return otherwise
	}
	if value < least {
		r.Add(path, fmt.Sprintf("%s is %d", r.Last(path), value), fmt.Sprintf("use at least %d", least))
	}
	return value
}

func (r *reader) seconds(path string, value, least, otherwise int) time.Duration {
	return time.Duration(r.whole(path, value, least, otherwise)) * time.Second
}

func (r *reader) port(path string, value int) int {
	if r.Has(path) && (value < 1 || value > 65535) {
		r.Add(path, fmt.Sprintf("%s is %d", r.Last(path), value), "use a port, a number from 1 to 65535")
	}
	return r.whole(path, value, value, fc.DefaultPort)
}

// choice reports a word that is none of words, and returns the one it is but
// for its letters' case.
func (r *reader) choice(path, value string, words []string) string {
	if !r.Has(path) {
		return value
	}
	for _, w := range words {
		if strings.EqualFold(w, value) {
			return w
		}
	}
	r.Add(path, r.Last(path)+" is "+strictyaml.Quote(value), strictyaml.Suggest(value, words, "use one of %s", ", "))
	return value
}

// runtimes are the platform's, as the schemas of fun and fc3 have them.
var runtimes = []string{
	"custom", "custom-container", "custom.debian10", "custom.debian11", "custom.debian12", "micro-sandbox",
	"dotnetcore2.1", "dotnetcore3.1", "go1", "java8", "java11",
	"nodejs4.4", "nodejs6", "nodejs8", "nodejs10", "nodejs12", "nodejs14", "nodejs16", "nodejs18", "nodejs20",
	"php7.2", "python2.7", "python3", "python3.9", "python3.10", "python3.12",
}

func (r *reader) runtime(path, value string) string {
	if r.Has(path) && !slices.Contains(runtimes, value) {
		near := strictyaml.Near(value, runtimes)
		do := `use "custom-container" for an image, or "custom" for a folder with a bootstrap`
		if len(near) > 0 {
			do = fmt.Sprintf("did you mean %q?", near[0])
		}
		r.Add(path, r.Last(path)+" is "+strictyaml.Quote(value), do)
	}
	return value
}

// words is a command that is written as a string with a JSON array in it, as
// fun and FC 2.0 want it.
func (r *reader) words(path, text string) []string {
	if !r.Has(path) {
		return nil
	}
	var list []string
	switch err := json.Unmarshal([]byte(text), &list); {
	case text == "":
		return nil // the console writes it where there is none
	case err != nil && strings.HasPrefix(strings.TrimSpace(text), "["):
		r.Add(path, r.Last(path)+" is not a JSON array of strings", `write it in the form '["node", "server.js"]'`)
	case err != nil:
		r.Add(path, fmt.Sprintf("%s is %s, a bare string", r.Last(path), strictyaml.Quote(text)),
			"write a string that holds a JSON array: "+arrayOf(text))
	}
	return some(list)
}

// arrayOf is what a bare command was probably meant to be.
func arrayOf(command string) string {
	if len(command) > 200 {
		return `'["node", "server.js"]'`
	}
	var quoted []string
	for _, w := range strings.Fields(command) {
		data, err := json.Marshal(w)
		if err != nil {
			return `'["node", "server.js"]'`
		}
		quoted = append(quoted, string(data))
	}
	return "'[" + strings.Join(quoted, ", ") + "]'"
}

var variableRE = lazyregexp.New(`^[A-Za-z][A-Za-z0-9_]*$`)

// environment checks the names of variables.
func (r *reader) environment(path string, values map[string]strictyaml.Text) map[string]string {
	if values == nil {
		return nil
	}
	env := make(map[string]string, len(values))
	for name, value := range values {
		env[name] = string(value)
		if !variableRE().MatchString(name) {
			r.Add(path+"/"+name, strictyaml.Quote(name)+" is no name of a variable", "use letters, digits and _, with a letter in front")
		}
	}
	return env
}

// health is how both components of Serverless Devs write a health check.
type health struct {
	URL              string `json:"httpGetUrl,omitempty"`
	InitialDelay     int    `json:"initialDelaySeconds,omitempty"`
	Period           int    `json:"periodSeconds,omitempty"`
	Timeout          int    `json:"timeoutSeconds,omitempty"`
	FailureThreshold int    `json:"failureThreshold,omitempty"`
	SuccessThreshold int    `json:"successThreshold,omitempty"`
}

func (r *reader) health(h *health, path string) *Health {
	if h == nil {
		return nil
	}
	if h.URL != "" && !strings.HasPrefix(h.URL, "/") {
		r.Add(path+"/httpGetUrl", "httpGetUrl is "+strictyaml.Quote(h.URL), "use a path, such as /health")
	}
	if h.URL == "" {
		h.URL = "/"
	}
	return &Health{
		Path:             h.URL,
		InitialDelay:     r.seconds(path+"/initialDelaySeconds", h.InitialDelay, 0, 0),
		Period:           r.seconds(path+"/periodSeconds", h.Period, 1, 3),
		Timeout:          r.seconds(path+"/timeoutSeconds", h.Timeout, 1, 1),
		FailureThreshold: r.whole(path+"/failureThreshold", h.FailureThreshold, 1, 3),
		SuccessThreshold: r.whole(path+"/successThreshold", h.SuccessThreshold, 1, 1),
	}
}
