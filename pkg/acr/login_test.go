package acr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogin(t *testing.T) {
	for host, want := range map[string][]string{
		"registry.cn-hangzhou.aliyuncs.com":                  {"cr.cn-hangzhou.aliyuncs.com GetAuthorizationToken"},
		"registry-vpc.cn-hangzhou.aliyuncs.com":              {"cr-vpc.cn-hangzhou.aliyuncs.com GetAuthorizationToken"},
		"registry-intl.ap-southeast-1.aliyuncs.com":          {"cr.ap-southeast-1.aliyuncs.com GetAuthorizationToken"},
		"crpi-0a1b2c3d.cn-shanghai.personal.cr.aliyuncs.com": {"cr.cn-shanghai.aliyuncs.com GetAuthorizationToken"},
		"my-team-registry.cn-hangzhou.cr.aliyuncs.com":       {"cr.cn-hangzhou.aliyuncs.com ListInstance", "cr.cn-hangzhou.aliyuncs.com ListInstance", "cr.cn-hangzhou.aliyuncs.com GetAuthorizationToken"},
		"registry.example.com":                               nil,
		"127.0.0.1:5050":                                     nil,
	} {
		t.Run(host, func(t *testing.T) {
			c := newCloud(t)
			for i := range 120 { // more than a page
				c.Instances = append(c.Instances, fmt.Sprint("other-", i))
			}
			c.Instances = append(c.Instances, "My-Team")
			s := source(t, c.transport, withKey())
			l, err := s.Login(t.Context(), host)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Asked, want) {
				t.Errorf("asked %q; want %q", c.Asked, want)
			}
			if want == nil {
				if l != nil || s.Ways(host) != "" {
					t.Errorf("a login for a host of somebody else: %v", l)
				}
				return
			}
			if l.Username != "cr_temp_user" || l.Password != "login-s3cret-1" || !strings.Contains(l.From, "the environment") {
				t.Errorf("login %+v", l)
			}
			if life := time.Until(l.Expires); life < 59*time.Minute || life > time.Hour {
				t.Errorf("it lives for %s", life)
			}
			if !strings.Contains(s.Ways(host), "ALIBABA_CLOUD_ROLE_ARN") {
				t.Errorf("ways: %s", s.Ways(host))
			}
			// The instance is known now; the login is another.
			c.Asked = nil
			l, err = s.Login(t.Context(), host)
			if err != nil || len(c.Asked) != 1 || l.Password != "login-s3cret-2" {
				t.Errorf("the second login: %+v, %v after %q", l, err, c.Asked)
			}
		})
	}
}

// TestTemporaryKey: a key that came with a security token.
func TestTemporaryKey(t *testing.T) {
	c := newCloud(t)
	c.Tokens[testID] = "sts/tok3n+="
	env := withKey()
	env["ALIBABA_CLOUD_SECURITY_TOKEN"] = "sts/tok3n+="
	if _, err := source(t, c.transport, env).Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com"); err != nil {
		t.Error(err)
	}
}

func TestNoCredentials(t *testing.T) {
	c := newCloud(t)
	l, err := source(t, c.transport, nil).Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com")
	if l != nil || err != nil || len(c.Asked) != 0 {
		t.Errorf("login %v, error %v, asked %q; want none", l, err, c.Asked)
	}
}

// TestRefused: what the API answers, and what is said of it. The bodies are
// written from the documentation.
func TestRefused(t *testing.T) {
	answer := func(status int, code string) func(string) (int, string) {
		return func(string) (int, string) {
			return status, fmt.Sprintf(`{"code":%q,"message":"x-acs-security-token:tok3n %s","requestId":"0A1B-2C3D"}`, code, testSecret)
		}
	}
	const old, team = "registry.cn-hangzhou.aliyuncs.com", "my-team-registry.cn-hangzhou.cr.aliyuncs.com"
	for name, tc := range map[string]struct {
		host string
		env  map[string]string
		fail func(action string) (int, string)
		skew time.Duration
		want []string
	}{
		"wrong secret":      {host: old, env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "wr0ng-s3cret"}, want: []string{"the access key's secret is wrong", "SignatureDoesNotMatch", "from the environment", "0A1B-2C3D"}},
		"wrong ID":          {host: old, env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAI-other"}, want: []string{"there is no such access key"}},
		"half a key":        {host: old, env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET": ""}, want: []string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"}},
		"foreign token":     {host: old, env: map[string]string{"ALIBABA_CLOUD_SECURITY_TOKEN": "old-tok3n"}, want: []string{"expired or lacks its security token"}},
		"clock ahead":       {host: old, skew: 2 * time.Hour, want: []string{"this machine's clock is 2h0m", "ahead of"}},
		"clock behind":      {host: team, skew: -20 * time.Minute, want: []string{"behind Alibaba Cloud's; set it right"}},
		"unknown user":      {host: old, fail: answer(404, "USER_NOT_EXIST"), want: []string{"set a registry password there once", "never sets one", "cn-hangzhou"}},
		"no permission":     {host: old, fail: answer(403, "NoPermission"), want: []string{"RAM action cr:GetAuthorizationToken", "cr:PushRepository"}},
		"may not list":      {host: team, fail: answer(403, "NoPrivilege"), want: []string{"RAM action cr:ListInstance", "a push needs cr:ListInstance, cr:GetAuthorizationToken"}},
		"denied with 400":   {host: team, fail: answer(400, "Forbidden.RAM"), want: []string{"RAM action cr:ListInstance"}},
		"instance unknown":  {host: "mein-team-registry.cn-hangzhou.cr.aliyuncs.com", want: []string{"there is no instance mein-team in cn-hangzhou", "there are my-team, other;"}},
		"key is off":        {host: old, fail: answer(403, "InvalidAccessKeyId.Inactive"), want: []string{"disabled"}},
		"not JSON":          {host: old, fail: func(string) (int, string) { return 200, "<html>" + testSecret }, want: []string{"gives no login", "200"}},
		"another JSON":      {host: old, fail: func(string) (int, string) { return 200, `{"data":{}}` }, want: []string{"cannot be read"}},
		"failed with a 200": {host: team, fail: func(string) (int, string) { return 200, `{"IsSuccess":false,"Code":"INSTANCE_NOT_EXIST"}` }, want: []string{"there is no instance my-team in cn-hangzhou; check --instance", "200 INSTANCE_NOT_EXIST"}},
		"odd code":          {host: old, fail: func(string) (int, string) { return 418, `{"code":"\u001b[31m s3cret","requestId":7}` }, want: []string{"gives no login (the API answers 418)"}},
		"redirected":        {host: old, fail: func(string) (int, string) { return 302, `{}` }, want: []string{"gives no login (the API answers 302)"}},
		"huge":              {host: old, fail: func(string) (int, string) { return 200, strings.Repeat(" ", 2<<20) }, want: []string{"cannot be read"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			c.Instances = []string{"other", "my-team"}
			c.Fail = tc.fail
			env := withKey()
			for k, v := range tc.env {
				env[k] = v
			}
			s := source(t, c.transport, env)
			s.now = func() time.Time { return time.Now().Add(tc.skew) }
			_, err := s.Login(t.Context(), tc.host)
			for _, want := range append(tc.want, tc.host) {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			for _, secret := range []string{"s3cret", "tok3n", "LTAI", "\x1b"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
		})
	}
}

// TestPasses: what passes by itself is waited for, and only that long.
func TestPasses(t *testing.T) {
	c := newCloud(t)
	n := 0
	c.Fail = func(string) (int, string) {
		if n++; n < 3 {
			return 503, `{"Code":"ServiceUnavailable"}`
		}
		return 0, ""
	}
	s := source(t, c.transport, withKey())
	if _, err := s.Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com"); err != nil {
		t.Error(err)
	}
	c.Fail = func(string) (int, string) { n++; return 429, `{"Code":"Throttling.User"}` }
	n = 0
	if _, err := s.Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com"); err == nil || !strings.Contains(err.Error(), "wants fewer requests") || n != tries {
		t.Errorf("error %v after %d tries", err, n)
	}
}

type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestUnreachable(t *testing.T) {
	env := withKey()
	for _, tc := range []struct {
		tr   http.RoundTripper
		want string
	}{
		{broken{&net.DNSError{Err: "no such host", IsNotFound: true}}, "there is no host cr.cn-hangzhou.aliyuncs.com; check the region's name"},
		{broken{errors.New("the cable is cut")}, "cr.cn-hangzhou.aliyuncs.com cannot be reached: the cable is cut"},
		{silent{}, "cr.cn-hangzhou.aliyuncs.com does not answer in 10s"},
	} {
		s := source(t, tc.tr, env)
		synctest.Test(t, func(t *testing.T) {
			_, err := s.Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v; want %q", err, tc.want)
			}
		})
	}
	s := source(t, silent{}, env)
	stop := errors.New("stopped by a test")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(stop) })
	if _, err := s.Login(ctx, "registry.cn-hangzhou.aliyuncs.com"); !errors.Is(err, stop) {
		t.Errorf("error %v; want that of the context", err)
	}
}

// elsewhere sends everybody away.
type elsewhere struct{ asked []string }

func (e *elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	e.asked = append(e.asked, r.URL.Host)
	return &http.Response{StatusCode: http.StatusFound, Header: http.Header{"Location": {"https://elsewhere.example.com/tokens"}}, Body: http.NoBody, Request: r}, nil
}

func TestRedirectIsNotFollowed(t *testing.T) {
	e := &elsewhere{}
	if l, err := source(t, e, withKey()).Login(t.Context(), "registry.cn-hangzhou.aliyuncs.com"); err == nil || !slices.Equal(e.asked, []string{"cr.cn-hangzhou.aliyuncs.com"}) {
		t.Errorf("login %v, error %v; asked %q", l, err, e.asked)
	}
}
