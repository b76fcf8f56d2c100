package deploy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/imgbuild/imgbuild/pkg/template"
)

// FuzzFunction: whatever the platform answers, it is compared and told.
func FuzzFunction(f *testing.F) {
	f.Add([]byte(`{"functionName":"hello","functionArn":"acs:fc:cn-hangzhou:1:functions/hello","state":"Failed","stateReason":"\u001b[31m","customContainerConfig":{"image":"a/b:1","resolvedImageUri":"a/b@sha256:0"},"tags":[{"key":"imgbuild-before","value":"x"},null]}`))
	f.Add([]byte(`{"customContainerConfig":{"image":"@:/","healthCheckConfig":null},"instanceLifecycleConfig":{"initializer":{"handler":"","command":["a"],"timeout":-1}},"environmentVariables":{"A":"\u0007"}}`))
	f.Add([]byte(`{"customContainerConfig":{},"lastUpdateStatus":"InProgress","cpu":1e300}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cur := &function{}
		if json.Unmarshal(data, cur) != nil {
			return
		}
		p := &Deployment{fn: template.Function{Name: "hello", Role: "r"}, image: "h/p@sha256:1"}
		w := p.want(cur)
		texts := []string{cur.condition(), imageOf(cur), p.log(cur.StateReason), p.message(data)}
		for _, c := range diff(cur, w) {
			texts = append(texts, c.Field, c.Before, c.After)
		}
		for _, s := range texts {
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }) {
				t.Errorf("it is told as %q", s)
			}
		}
		if b := cur.body(); b != nil && (b.Container.Resolved != "" || b.State != "" || b.Tags != nil || b.Environment == nil) {
			t.Errorf("it is put back as %+v", b)
		}
		p.marks(w, cur)
		account(cur.ARN)
	})
}
