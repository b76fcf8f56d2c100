package openapi

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

var (
	stsCode    = lazyregexp.New(`"Code"\s*:\s*"([A-Za-z0-9._-]{1,80})"`)
	httpStatus = lazyregexp.New(`(?:httpStatus: |security-credentials/\S* )([1-5]\d\d)\b`)
)

// originError says in which way an origin failed. The library's errors can
// quote whole answers and whole files, with the keys that are in them, so only
// what is known to be none is kept.
func originError(o *origin, err error) error {
	return fmt.Errorf("getting Alibaba Cloud credentials from %s: %s", o.name, originReason(err))
}

func originReason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Error()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		if u, perr := url.Parse(e.URL); perr == nil {
			return fmt.Sprintf("asking %s: %v", u.Host, e.Err)
		}
	}
	text := err.Error()
	if m := stsCode().FindStringSubmatch(text); m != nil {
		return stsReason(m[1])
	}
	if m := httpStatus().FindStringSubmatch(text); m != nil {
		if m[1] == "404" {
			return "the instance has no such role; attach a RAM role to it, and leave ALIBABA_CLOUD_ECS_METADATA empty or set it to the role's name"
		}
		return "the metadata service answers " + m[1]
	}
	if strings.Contains(text, "CloudSSO access token is empty or expired") {
		return "the CloudSSO session has ended; begin another with `aliyun configure --mode CloudSSO`"
	}
	for _, words := range []string{"i/o timeout", "Client.Timeout", "connection refused", "no route to host", "network is unreachable", "no such host"} {
		if strings.Contains(text, words) {
			return "no answer (" + words + ")"
		}
	}
	return "what is there is not complete or cannot be read; check it with `aliyun sts GetCallerIdentity`"
}

// stsReason explains a code of the security token service.
func stsReason(code string) string {
	next := "check the role and its trust policy"
	switch {
	case strings.HasPrefix(code, "AuthenticationFail.OIDCToken.Expired"):
		next = "the OIDC token has expired; have the pipeline make a new one just before it is needed"
	case strings.HasPrefix(code, "AuthenticationFail.OIDC"), strings.HasPrefix(code, "AuthenticationFail.NoPermission"):
		next = "the role's trust policy must allow this provider, audience and subject"
	case strings.HasPrefix(code, "EntityNotExist"):
		next = "check the ARN of the role and of the provider for a typo"
	case strings.HasPrefix(code, "InvalidAccessKeyId"), strings.HasPrefix(code, "SignatureDoesNotMatch"):
		next = "check the access key that the role is assumed with"
	}
	return fmt.Sprintf("the security token service answers %s; %s", code, next)
}
