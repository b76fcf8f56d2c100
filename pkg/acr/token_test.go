package acr

import (
	"testing"
	"time"
)

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"data":{"tempUserName":"u","authorizationToken":"t0ken","expireDate":1571242083000}}`))
	f.Add([]byte(`{"TempUsername":"u","AuthorizationToken":"t","ExpireTime":1571242083000}`))
	f.Add([]byte(`{"Instances":[{"InstanceId":"cri-1","InstanceName":"a"}],"TotalCount":1}`))
	f.Add([]byte(`{"Code":"SignatureDoesNotMatch","RequestId":"0A1B"}`))
	f.Add([]byte(`{"data":{"tempUserName":"u","authorizationToken":"t","expireDate":1e300}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, parse := range []func([]byte) (token, error){parsePersonal, parseEnterprise} {
			if tok, err := parse(body); err == nil && (tok.user == "" || tok.password == "" || !tok.expires.After(time.Unix(0, 0))) {
				t.Errorf("a login of %+v", tok)
			}
		}
		if l, err := parseInstances(body); err == nil && l.TotalCount < 0 {
			t.Error("fewer than no instances")
		}
	})
}
