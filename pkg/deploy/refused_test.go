package deploy

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/openapi"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
	"github.com/imgbuild/imgbuild/pkg/template"
)

// TestRefused: what the platform answers, and what is said of it.
func TestRefused(t *testing.T) {
	answer := func(action string, status int, code, message string) func(deploytest.Call) deploytest.Reply {
		return func(c deploytest.Call) deploytest.Reply {
			if c.Action != action {
				return deploytest.Reply{}
			}
			return deploytest.Reply{Status: status, Body: `{"Code":"` + code + `","Message":"` + message + `","RequestId":"R-1"}`}
		}
	}
	for name, tc := range map[string]struct {
		env     map[string]string
		instead func(deploytest.Call) deploytest.Reply
		role    string
		wants   []string
	}{
		"wrong secret":   {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wr0ng"}, wants: []string{"GetFunction: the access key's secret is wrong", "from the environment", "403 SignatureDoesNotMatch"}},
		"wrong key":      {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI-other"}, wants: []string{"there is no such access key"}},
		"foreign token":  {env: map[string]string{"ALIBABA_CLOUD_SECURITY_TOKEN": "old-tok3n"}, wants: []string{"expired or lacks its security token"}},
		"no key":         {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}, wants: []string{"there are no credentials of Alibaba Cloud", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"}},
		"half a key":     {env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}, wants: []string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"}},
		"may not look":   {instead: answer("GetFunction", 403, "AccessDenied", "the caller is not authorized"), wants: []string{"grant the user or role the RAM action fc:GetFunction on acs:fc:cn-hangzhou:*:functions/hello", "R-1"}},
		"may not create": {role: "acs:ram::1:role/r", instead: answer("CreateFunction", 403, "NoPermission", "no"), wants: []string{"fc:CreateFunction", "and ram:PassRole on the function's role acs:ram::1:role/r"}},
		"wrong field":    {instead: answer("CreateFunction", 400, "InvalidArgument", "cpu and memorySize do not go together; environment "+secret), wants: []string{"correct the template", `"cpu and memorySize do not go together; environment …"; the API answers 400 InvalidArgument`}},
		"quota":          {instead: answer("CreateFunction", 429, "ResourceExhausted", "later"), wants: []string{"wants fewer requests"}},
		"fails":          {instead: answer("CreateFunction", 500, "InternalServerError", "an internal error has occurred"), wants: []string{"Function Compute fails; run the same command again later"}},
		"older form": {instead: func(deploytest.Call) deploytest.Reply {
			return deploytest.Reply{Status: 400, Body: `{"errorCode":"InvalidArgument","errorMessage":"bad name"}`}
		}, wants: []string{"bad name", "400 InvalidArgument"}},
		"no JSON": {instead: func(deploytest.Call) deploytest.Reply { return deploytest.Reply{Status: 200, Body: "<html>" + secret} }, wants: []string{"Function Compute refuses (the API answers 200)"}},
		"another": {instead: func(deploytest.Call) deploytest.Reply {
			return deploytest.Reply{Status: 200, Body: `{"functionName":"other"}`}
		}, wants: []string{`the answer is about the function "other"`}},
		"no trigger": {instead: answer("CreateTrigger", 403, "AccessDenied", "no"), wants: []string{"the trigger web: CreateTrigger: ", "fc:CreateTrigger"}},
		"redirected": {instead: func(deploytest.Call) deploytest.Reply {
			return deploytest.Reply{Status: 302, Header: map[string]string{"Location": "https://elsewhere.example.com/"}}
		}, wants: []string{"the API answers 302"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := deploytest.New()
			p.Instead = tc.instead
			d := serve(t, p)
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			d.pace.tries = 1
			f := hello("a")
			f.Role = tc.role
			_, err := deployment(t, d, f).Apply(t.Context(), Options{})
			wants(t, err, append(tc.wants, "deploying hello in cn-hangzhou: ")...)
		})
	}
}

// TestPasses: throttling, errors of the platform and lost answers are waited
// for; what was done by a request whose answer was lost is not done twice.
func TestPasses(t *testing.T) {
	p := deploytest.New()
	seen := map[string]int{}
	p.Instead = func(c deploytest.Call) deploytest.Reply {
		seen[c.Action]++
		if seen[c.Action] > 1 {
			return deploytest.Reply{}
		}
		switch c.Action {
		case "GetFunction":
			return deploytest.Reply{Status: 429, Header: map[string]string{"Retry-After": "1"}, Body: `{"Code":"Throttling.User"}`}
		case "CreateFunction", "CreateTrigger":
			return deploytest.Reply{Late: true, Drop: true}
		case "InvokeFunction":
			return deploytest.Reply{Status: 503, Body: `{"Code":"ResourceThrottled"}`}
		}
		return deploytest.Reply{}
	}
	d := serve(t, p)
	start := time.Now()
	r := apply(t, d, hello("a"))
	if r.Action != Created || p.Image("hello") != pinned("a") || p.Trigger("hello", "web") == nil || len(p.Events()) != 1 {
		t.Errorf("result %+v, events %q", r, p.Events())
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("it took %s; Retry-After was 1 s", took)
	}
}

// TestDown: nothing listens, and nobody answers.
func TestDown(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	d.pace.tries = 2
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	d.endpoint.Host = address
	d.pace.patience = 50 * time.Millisecond
	_, err = deployment(t, d, hello("a")).Apply(t.Context(), Options{})
	wants(t, err, address+" does not answer in 50ms; check --endpoint")
	l.Close()
	address = "127.0.0.1:1" // nobody's, and nobody else's now
	d.endpoint.Host, d.pace.patience = address, 5*time.Second
	_, err = deployment(t, d, hello("a")).Apply(t.Context(), Options{})
	wants(t, err, address+" cannot be reached", "connection refused", "check --endpoint")
}

// TestImages: which references are deployed, and as what.
func TestImages(t *testing.T) {
	for name, tc := range map[string]struct {
		image, region string
		want, asked   string // pinned; where the digest was asked for
		err           string
		noted         string
		runtime       string
	}{
		"digest":      {image: "registry.cn-hangzhou.aliyuncs.com/team/hello@" + digest("a"), want: pinned("a")},
		"tag":         {image: "registry.cn-hangzhou.aliyuncs.com/team/hello:1", want: pinned("f"), asked: "registry.cn-hangzhou.aliyuncs.com/team/hello:1", noted: "registry.cn-hangzhou.aliyuncs.com/team/hello:1 is " + digest("f") + " now"},
		"VPC host":    {image: "registry-vpc.cn-hangzhou.aliyuncs.com/team/hello:1", want: pinned("f"), asked: "registry.cn-hangzhou.aliyuncs.com/team/hello:1"},
		"both":        {image: "registry.cn-hangzhou.aliyuncs.com/team/hello:1@" + digest("a"), want: pinned("a")},
		"of init":     {image: "registry.cn-hangzhou.aliyuncs.com/team/hello:latest@" + template.NoDigest, want: pinned("f"), asked: "registry.cn-hangzhou.aliyuncs.com/team/hello:latest"},
		"only zeros":  {image: "registry.cn-hangzhou.aliyuncs.com/team/hello@" + template.NoDigest, err: "has no tag and no digest"},
		"placeholder": {image: "registry.cn-hangzhou.aliyuncs.com/your-namespace/hello:1", err: "write that in the place of your-namespace"},
		"enterprise":  {image: "my-registry.cn-hangzhou.cr.aliyuncs.com/team/hello@" + digest("a"), want: "my-registry-vpc.cn-hangzhou.cr.aliyuncs.com/team/hello@" + digest("a")},
		"no region":   {image: "registry.cn-beijing.aliyuncs.com/team/hello@" + digest("a"), want: "registry-vpc.cn-beijing.aliyuncs.com/team/hello@" + digest("a")},
		"elsewhere":   {image: "registry.cn-beijing.aliyuncs.com/team/hello:1", region: "cn-hangzhou", err: "the function is in cn-hangzhou and its image in cn-beijing"},
		"other host":  {image: "registry.example.com/hello@" + digest("a"), region: "cn-hangzhou", want: "registry.example.com/hello@" + digest("a"), noted: "is no host of Container Registry"},
		"neither":     {image: "registry.example.com/hello@" + digest("a"), err: "give --region"},
		"embedded":    {image: "embedded/hello:1", region: "cn-hangzhou", err: "which the platform does not reach"},
		"no tag":      {image: "registry.cn-hangzhou.aliyuncs.com/team/hello", err: "has no tag and no digest"},
		"no image":    {region: "cn-hangzhou", err: "it has no image"},
		"no name":     {image: "hello:1", err: "names no repository"},
		"region typo": {image: "registry.cn-hangzhou.aliyuncs.com/team/hello:1", region: "cn-hangzou", err: "did you mean cn-hangzhou?"},
		"code":        {runtime: "custom", region: "cn-hangzhou", err: "its runtime is custom, and only images are deployed"},
		"code, image": {runtime: "custom", image: "registry.cn-hangzhou.aliyuncs.com/team/hello@" + digest("a"), want: pinned("a")},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			d := serve(t, deploytest.New(), WithResolver(moved("f", &asked)))
			f := hello("a")
			f.Image, f.Region = tc.image, tc.region
			if tc.runtime != "" {
				f.Runtime = tc.runtime
			}
			p, err := d.Function(f)
			var c *Changes
			if err == nil {
				c, err = p.Plan(t.Context())
			}
			if tc.err != "" {
				wants(t, err, "hello", tc.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Image != tc.want || strings.Join(asked, " ") != tc.asked {
				t.Errorf("image %s, asked for %q; want %s and %q", c.Image, asked, tc.want, tc.asked)
			}
			if !strings.Contains(strings.Join(c.Notes, "\n"), tc.noted) {
				t.Errorf("notes %q; want %q", c.Notes, tc.noted)
			}
		})
	}
	d := serve(t, deploytest.New(), WithResolver(func(context.Context, address.Reference) (v1.Hash, error) { return v1.Hash{}, errors.New("no such tag") }))
	f := hello("a")
	f.Image = "registry.cn-hangzhou.aliyuncs.com/team/hello:9"
	_, err := deployment(t, d, f).Plan(t.Context())
	wants(t, err, "planning hello in cn-hangzhou: asking for the digest of registry.cn-hangzhou.aliyuncs.com/team/hello:9, for a tag can move: no such tag")
}

// TestFunctions: what of a template cannot be deployed, and what is left out.
func TestFunctions(t *testing.T) {
	p := deploytest.New()
	d := serve(t, p)
	for want, change := range map[string]func(*template.Function){
		"is no name of a function":              func(f *template.Function) { f.Name = "../hello" },
		"role: auto is Serverless Devs' own":    func(f *template.Function) { f.Role = "auto" },
		"a new function needs its whole name":   func(f *template.Function) { f.Role = "pull" },
		"is no name of a trigger":               func(f *template.Function) { f.Triggers[0].Name = "a/b" },
		"make this trigger in the console once": func(f *template.Function) { f.Triggers[0].Auth = "jwt" },
	} {
		f := hello("a")
		change(&f)
		x, err := d.Function(f)
		if err == nil {
			_, err = x.Plan(t.Context())
		}
		wants(t, err, want)
	}
	f := hello("a")
	f.Service, f.PreFreeze.Set = "shop", true
	f.Others, f.Policies = []string{"vpcConfig", "logConfig"}, []string{"AliyunOSSReadOnlyAccess"}
	f.Triggers = append(f.Triggers, template.Trigger{Name: "nightly", Type: "timer"})
	r := apply(t, d, f)
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"does not deploy vpcConfig, logConfig;", "the policies AliyunOSSReadOnlyAccess", "the service shop is not made", "PreFreeze is not deployed", "the trigger nightly is not deployed"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q; want %q", notes, want)
		}
	}
	// A role by its name gets the account of the function.
	f.Role = "pull"
	apply(t, d, f)
	if got := p.Function("hello")["role"]; got != "acs:ram::"+deploytest.Account+":role/pull" {
		t.Errorf("role %v", got)
	}
	if c, err := deployment(t, d, f).Plan(t.Context()); err != nil || !c.None() {
		t.Errorf("changes %+v, %v", c, err)
	}
}

// TestNames: a deployment takes the names that the rules about templates take.
func TestNames(t *testing.T) {
	d := serve(t, deploytest.New())
	for name, good := range map[string]bool{
		"a": true, "_a-1": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "1st": false, "a.b": false, "": false,
	} {
		f := hello("a")
		f.Name = name
		_, err := d.Function(f)
		bad := slices.ContainsFunc(template.Lint(f), func(f template.Finding) bool { return f.Rule == "name" })
		if bad == good || (err == nil) != good {
			t.Errorf("%q: a template's rule finds a fault: %t; a deployment says %v", name, bad, err)
		}
		if !good {
			wants(t, err, "is no name of a function", "at most 64")
		}
	}
}

func TestEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"https://fc.example.com": "", "https://fc.example.com:8443/": "", "http://127.0.0.1:1": "", "http://[::1]:1": "",
		"http://fc.example.com": "over https only", "fc.example.com": "write https://HOST", "": "write https://HOST", "ftp://x": "write https://HOST",
		"https://user:wr0ng@fc.example.com": "has more than a host", "https://fc.example.com/path": "has more than a host",
	} {
		_, err := New(WithEndpoint(in))
		switch {
		case want != "":
			wants(t, err, want)
		case err != nil:
			t.Errorf("%s: %v", in, err)
		}
	}
}

// TestSecretsOnDisk: nothing of a deployment is left in the home.
func TestSecretsOnDisk(t *testing.T) {
	d := serve(t, deploytest.New())
	apply(t, d, hello("a"))
	if found, err := os.ReadDir(os.Getenv("HOME")); err != nil || len(found) != 0 {
		t.Errorf("the home has %v, %v", found, err)
	}
}

// TestTemporaryKey: a key with a security token.
func TestTemporaryKey(t *testing.T) {
	p := deploytest.New()
	p.Tokens[openapitest.ID] = "sts/tok3n+="
	d := serve(t, p)
	t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "sts/tok3n+=")
	d.wallet = openapi.NewWallet()
	apply(t, d, hello("a"))
}
