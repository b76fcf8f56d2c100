package openapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestAuthorization: the example with fixed parameters in the vendor's "Request
// syntax and signature method V3".
func TestAuthorization(t *testing.T) {
	req, err := http.NewRequest(http.MethodPost, "https://ecs.cn-shanghai.aliyuncs.com/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"x-acs-action":          "RunInstances",
		"x-acs-content-sha256":  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"x-acs-date":            "2023-10-26T10:22:32Z",
		"x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
		"x-acs-version":         "2014-05-26",
		"user-agent":            "not signed",
	} {
		req.Header.Set(k, v)
	}
	want := "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
	if got := authorization(req, Key{ID: "YourAccessKeyId", Secret: "YourAccessKeySecret"}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSign(t *testing.T) {
	nonces := map[string]bool{}
	for _, token := range []string{"", "a-token"} {
		req, err := http.NewRequest(http.MethodGet, "https://cr.cn-hangzhou.aliyuncs.com/tokens", nil)
		if err != nil {
			t.Fatal(err)
		}
		sign(req, nil, Key{"id", "secret", token}, "GetAuthorizationToken", "2016-06-07", time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)))
		if got := req.Header.Get("X-Acs-Date"); got != "2026-01-02T02:04:05Z" {
			t.Errorf("date %s", got)
		}
		nonces[req.Header.Get("X-Acs-Signature-Nonce")] = true
		signed := strings.Contains(req.Header.Get("Authorization"), ";x-acs-security-token;")
		if signed != (token != "") || req.Header.Get("X-Acs-Security-Token") != token {
			t.Errorf("token %q: headers %v", token, req.Header)
		}
		if strings.Contains(req.Header.Get("Authorization"), "secret,") || len(req.Header.Values("Authorization")) != 1 {
			t.Errorf("authorization %q", req.Header.Values("Authorization"))
		}
	}
	if len(nonces) != 2 || nonces[""] {
		t.Errorf("nonces %v", nonces)
	}
}

func TestCanonicalQuery(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"b=2&a=1":            "a=1&b=2",
		"name=my+team*~._-/": "name=my%20team%2A~._-%2F",
		"plus=%2B":           "plus=%2B",
		"empty=":             "empty=",
	} {
		q, err := url.ParseQuery(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := canonicalQuery(q); got != want {
			t.Errorf("%s: %s; want %s", in, got, want)
		}
	}
}
