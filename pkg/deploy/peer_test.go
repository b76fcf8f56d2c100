package deploy

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/internal/testtool"
	"github.com/imgbuild/imgbuild/pkg/deploy/deploytest"
	"github.com/imgbuild/imgbuild/pkg/openapi/openapitest"
)

// TestPlatformWithThePeer: the platform of these tests takes what the vendor's
// own client signs, with and without a body and a security token, and nothing
// signed with another secret.
func TestPlatformWithThePeer(t *testing.T) {
	testtool.Whole(t)
	tool := testtool.Tool(t, "openapi")
	calls := `[
		{"Action": "GetFunction", "Method": "GET", "Version": "2023-03-30", "Path": "/2023-03-30/functions/hello"},
		{"Action": "CreateFunction", "Method": "POST", "Version": "2023-03-30", "Path": "/2023-03-30/functions",
		 "Body": {"functionName": "hello", "runtime": "custom-container", "handler": "h", "customContainerConfig": {"image": "a/b:1"}}},
		{"Action": "GetFunction", "Method": "GET", "Version": "2023-03-30", "Path": "/2023-03-30/functions/hello"},
		{"Action": "UpdateFunction", "Method": "PUT", "Version": "2023-03-30", "Path": "/2023-03-30/functions/hello", "Body": {"description": "ä & b+c"}}
	]`
	good := "GetFunction FunctionNotFound\nCreateFunction 200\nGetFunction 200\nUpdateFunction 200\n"
	bad := "GetFunction SignatureDoesNotMatch\nCreateFunction SignatureDoesNotMatch\nGetFunction SignatureDoesNotMatch\nUpdateFunction SignatureDoesNotMatch\n"
	for name, tc := range map[string]struct{ token, secret, want string }{
		"key":          {"", openapitest.Secret, good},
		"token":        {"tok3n", openapitest.Secret, good},
		"wrong secret": {"", "wr0ng", bad},
	} {
		t.Run(name, func(t *testing.T) {
			p := deploytest.New()
			p.Tokens[openapitest.ID] = tc.token
			s := httptest.NewServer(p)
			defer s.Close()
			cmd := exec.CommandContext(t.Context(), tool, strings.TrimPrefix(s.URL, "http://"))
			cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "ALIBABA_CLOUD_ACCESS_KEY_ID="+openapitest.ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET="+tc.secret, "ALIBABA_CLOUD_SECURITY_TOKEN="+tc.token)
			cmd.Stdin = strings.NewReader(calls)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(out)); diff != "" {
				t.Error(diff)
			}
			if tc.want == good && p.Function("hello")["description"] != "ä & b+c" {
				t.Errorf("function %v", p.Function("hello"))
			}
		})
	}
}
