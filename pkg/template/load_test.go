package template_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imgbuild/imgbuild/pkg/template"
)

const (
	funText = `ROSTemplateFormatVersion: '2015-09-01'
Resources:
  demo:
    Type: 'Aliyun::Serverless::Service'
    hello:
      Type: 'Aliyun::Serverless::Function'
      Properties: {Runtime: custom-container, MemorySize: 512, CAPort: 8080, CustomContainerConfig: {Image: example.com/hello}}
`
	projectText = `resources:
  hello:
    component: fc3
    props: {region: cn-hangzhou, functionName: hello, runtime: custom-container, customContainerConfig: {image: example.com/hello, port: 8080}}
`
)

func TestLoad(t *testing.T) {
	other := strings.Replace(projectText, "hello, runtime", "bye, runtime", 1)
	for _, c := range []struct {
		name  string
		files map[string]string
		path  string
		want  string // the file that the function is from
		err   string
	}{
		{name: "a file", files: map[string]string{"any.yaml": funText}, path: "any.yaml", want: "any.yaml"},
		{name: "a s.yaml of another name", files: map[string]string{"prod.yaml": projectText}, path: "prod.yaml", want: "prod.yaml"},
		{name: "a folder with template.yml", files: map[string]string{"template.yml": funText}, want: "template.yml"},
		{name: "a folder with s.yaml", files: map[string]string{"s.yaml": projectText}, want: "s.yaml"},
		{name: "both, which say the same", files: map[string]string{"s.yaml": projectText, "template.yaml": funText}, want: "s.yaml"},
		{name: "both, and another image", files: map[string]string{"s.yaml": strings.Replace(projectText, "/hello,", "/other,", 1), "template.yaml": funText},
			err: `s\.yaml and .*template\.yaml are both here and differ: the Image of the function hello \(lines 4 and 7\); make them say the same, or name the one`},
		{name: "both, and a default", files: map[string]string{"s.yaml": projectText, "template.yaml": strings.Replace(funText, "MemorySize: 512, ", "", 1)},
			err: `differ: the Memory of the function hello \(lines 2 and 5\)`},
		{name: "both, and another function", files: map[string]string{"s.yaml": other, "template.yaml": funText}, err: `the function bye is in the first one only`},
		{name: "both, and one function more", files: map[string]string{"s.yaml": projectText, "template.yaml": funText +
			"    more:\n      Type: 'Aliyun::Serverless::Function'\n      Properties: {Runtime: custom-container, CustomContainerConfig: {Image: a.example.com/b}}\n"},
			err: `the function more is in the second one only`},
		{name: "both, and one is broken", files: map[string]string{"s.yaml": projectText, "template.yaml": "a: b"}, err: `template\.yaml:1:1: `},
		{name: "two spellings", files: map[string]string{"s.yaml": projectText, "s.yml": projectText}, err: `s\.yaml and .*s\.yml are both here; keep one`},
		{name: "nothing", err: `has neither a template\.yaml nor a s\.yaml; imgbuild init`},
		{name: "a folder of that name", files: map[string]string{"s.yaml/x": ""}, err: `has neither`},
		{name: "no file", path: "none.yaml", err: `there is no .*none\.yaml; give a template\.yaml`},
		{name: "too long", files: map[string]string{"s.yaml": projectText + strings.Repeat("#", template.MaxSize)}, path: "s.yaml", err: `s\.yaml:1:1: the file has 1048577 bytes; keep it under 1048576`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				at := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			functions, err := template.Load(filepath.Join(dir, c.path))
			switch {
			case c.err != "":
				if err == nil || !regexp.MustCompile(c.err).MatchString(err.Error()) || functions != nil {
					t.Errorf("%v, %v", functions, err)
				}
			case err != nil || len(functions) != 1 || functions[0].File != filepath.Join(dir, c.want):
				t.Errorf("%+v, %v", functions, err)
			}
		})
	}
}

// What a template may have in it is bounded, and no text makes the reader fail.
func FuzzParse(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	f.Add([]byte(funText))
	f.Add([]byte(projectText))
	f.Add([]byte("resources: {a: {component: fc3, props: '${this.props}'}}"))
	f.Add([]byte("vars: {a: '${vars.b}', b: '${vars.a}'}\nresources: {a: {component: '${vars.a}', props: {functionName: '${vars.a}'}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		functions, err := template.Parse("fuzz.yaml", data)
		if (err == nil) != (len(functions) > 0) {
			t.Fatalf("%d functions, %v", len(functions), err)
		}
		for _, fn := range functions {
			for _, finding := range template.Lint(fn) {
				if template.Rules[finding.Rule] == "" || finding.Line < 1 {
					t.Errorf("%+v", finding)
				}
			}
			const image = "registry.example.com/new/image:2@sha256:2222222222222222222222222222222222222222222222222222222222222222"
			name := fn.Name
			if fn.Service != "" {
				name = fn.Service + "/" + name
			}
			out, err := template.SetImage(data, name, image)
			if err != nil {
				continue
			}
			after, err := template.Parse("fuzz.yaml", out)
			if err != nil || len(after) != len(functions) {
				t.Errorf("%d functions, then %d, %v", len(functions), len(after), err)
			}
		}
	})
}
