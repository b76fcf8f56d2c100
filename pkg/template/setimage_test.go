package template_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/template"
)

const newImage = "registry.cn-hangzhou.aliyuncs.com/team/hello:2.0@sha256:2222222222222222222222222222222222222222222222222222222222222222"

// SetImage changes the bytes of the reference, and no other.
func TestSetImage(t *testing.T) {
	const head = "# é 日本語 comment\r\nresources:\r\n  hello: # the function\r\n    component: fc3\r\n    props:\r\n      {region: cn-hangzhou, functionName: hello, runtime: custom-container, description: 'é: 日本',\r\n"
	for name, c := range map[string]struct{ before, old string }{
		"plain":                {strings.Replace(funText, "hello}}", "hello}} # é", 1), "example.com/hello"},
		"after other letters":  {head + "       customContainerConfig: {\"image\": example.com/hello, port: 8080}}\r\n# end", "example.com/hello"},
		"in single quotes":     {head + "       customContainerConfig: {image: 'example.com/hello' , port: 8080}}", "example.com/hello"},
		"in double quotes":     {head + "       customContainerConfig: {image: \"example.com/hello\", port: 8080}}", "example.com/hello"},
		"with letters before":  {head + "       customContainerConfig: {command: [é, 日本], image: example.com/hello}}", "example.com/hello"},
		"on a line of its own": {head + "       customContainerConfig: {image:\r\n         example.com/hello,\r\n         port: 8080}}", "example.com/hello"},
		"there twice":          {head + "       customContainerConfig: {command: [example.com/hello], image: example.com/hello}}", "image: example.com/hello"},
	} {
		t.Run(name, func(t *testing.T) {
			to := strings.Replace(c.old, "example.com/hello", newImage, 1)
			want := strings.Replace(c.before, c.old, to, 1)
			got, err := template.SetImage([]byte(c.before), "hello", newImage)
			if err != nil || string(got) != want {
				t.Fatalf("%v\n%s\nwant\n%s", err, got, want)
			}
			again, err := template.SetImage(got, "hello", newImage)
			if err != nil || !bytes.Equal(again, got) {
				t.Errorf("the second time: %v\n%s", err, again)
			}
		})
	}
}

func TestSetImageOfOneService(t *testing.T) {
	text := funText + strings.Replace(strings.Join(strings.SplitAfter(funText, "\n")[2:], ""), "demo", "other", 1)
	if _, err := template.SetImage([]byte(text), "hello", newImage); err == nil || !strings.Contains(err.Error(), `2 functions are called "hello"; write SERVICE/hello or REGION/hello`) {
		t.Errorf("%v", err)
	}
	got, err := template.SetImage([]byte(text), "other/hello", newImage)
	if err != nil {
		t.Fatal(err)
	}
	functions, err := template.Parse("template.yaml", got)
	if err != nil || functions[0].Image != "example.com/hello" || functions[1].Image != newImage {
		t.Errorf("%v, %+v", err, functions)
	}
}

func TestSetImageThatCannotBe(t *testing.T) {
	project := func(image string) string { return strings.Replace(projectText, "example.com/hello", image, 1) }
	for name, c := range map[string]struct{ text, function, image, err string }{
		"a wrong reference":    {funText, "hello", "hello:1", `writing the image: reference "hello:1": names no repository`},
		"an unknown function":  {funText, "hallo", newImage, `there is no function "hallo" in the template; did you mean "hello"?`},
		"a function like none": {funText, "xyz", newImage, `there is no function "xyz" in the template; it has hello`},
		"a broken template":    {"a: b", "hello", newImage, `the template:1:1: `},
		"a code package":       {strings.Replace(funText, "custom-container", "custom, Handler: a, CodeUri: ./", 1), "hello", newImage, `the function hello has the runtime custom, which has no image`},
		"a reference to a var": {"vars: {i: example.com/a}\n" + project("'${vars.i}'"), "hello", newImage, `the image of the function hello, line 5: it is "${vars.i}"; write the image out`},
		"a var in it":          {"vars: {i: example.com}\n" + project("'${vars.i}/a'"), "hello", newImage, `it is "${vars.i}/a"`},
		"escapes":              {project(`"example.com\x2fhello"`), "hello", newImage, `it is not written on one line, or has escapes`},
		"more than one line":   {project("\"example.com/\\\n      hello\""), "hello", newImage, `it is not written on one line, or has escapes`},
		"a block":              {"resources:\n  hello:\n    component: fc3\n    props:\n      region: a\n      functionName: hello\n      runtime: custom-container\n      customContainerConfig:\n        image: >-\n          example.com/hello\n", "hello", newImage, `it is written as a block`},
		"another service's":    {funText, "other/hello", newImage, `there is no function "other/hello"`},
		"all of it in vars":    {"vars: {p: {region: a, functionName: hello, runtime: custom-container, customContainerConfig: {image: example.com/a}}}\nresources: {a: {component: fc3, props: '${vars.p}'}, b: {component: fc3, props: {region: a, functionName: b, runtime: custom-container, customContainerConfig: {image: '${vars.p.customContainerConfig.image}'}}}}", "hello", newImage, `cannot be changed alone`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := template.SetImage([]byte(c.text), c.function, c.image)
			if err == nil || !strings.Contains(err.Error(), c.err) || got != nil {
				t.Errorf("%v\n%s\nwant %s", err, got, c.err)
			}
		})
	}
}
