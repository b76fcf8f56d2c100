package acr

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// has says that the code begins with one of the words.
func (e *refusal) has(words ...string) bool {
	for _, w := range words {
		if len(e.code) >= len(w) && strings.EqualFold(e.code[:len(w)], w) {
			return true
		}
	}
	return false
}

func (e *refusal) String() string {
	s := fmt.Sprintf("the API answers %d", e.status)
	if e.code != "" {
		s += " " + e.code
	}
	if e.requestID != "" {
		s += ", request " + e.requestID
	}
	return s
}

// explain says what a refusal means and what to do.
func (c *client) explain(r request, e *refusal) error {
	return fmt.Errorf("%s (%v)", c.meaning(r, e), e)
}

func (c *client) meaning(r request, e *refusal) string {
	switch {
	case e.has("USER_NOT_EXIST"):
		return "Container Registry does not know this user yet; open its console as this user, region " + c.at.Region + ", and set a registry password there once (imgbuild never sets one)"
	case e.has("InvalidTimeStamp", "IllegalTimestamp", "InvalidTimestamp"):
		if skew := c.source.now().Sub(e.date).Round(time.Second); !e.date.IsZero() && skew.Abs() > time.Minute {
			how := "ahead of"
			if skew < 0 {
				how = "behind"
			}
			return fmt.Sprintf("this machine's clock is %s %s Alibaba Cloud's; set it right", skew.Abs(), how)
		}
		return "this machine's clock is not right; set it"
	case e.has("InvalidAccessKeyId.Inactive"):
		return "the access key is disabled; enable it in the RAM console, or use another"
	case e.has("InvalidAccessKeyId"):
		return "there is no such access key; check the ID"
	case e.has("SignatureDoesNotMatch", "IncompleteSignature", "InvalidAccessKeySecret"):
		return "the access key's secret is wrong; check it for a typo or an old value"
	case e.has("InvalidSecurityToken", "MissingSecurityToken"):
		return "the temporary access key has expired or lacks its security token; get a new one (in the environment ALIBABA_CLOUD_SECURITY_TOKEN belongs to it)"
	case e.has("INSTANCE_NOT_EXIST", "InstanceNotExist", "Instance.NotFound"):
		return fmt.Sprintf("there is no instance %s in %s; check --instance or --registry", c.at.Instance, c.at.Region)
	case e.has("Throttling") || e.status == http.StatusTooManyRequests:
		return "Container Registry's API wants fewer requests; run the same command again later"
	case e.status == http.StatusForbidden || e.status == http.StatusUnauthorized ||
		e.has("NoPermission", "NoPrivilege", "Forbidden", "NotAuthorized", "AccessDenied", "ImplicitDeny"):
		return "these credentials lack a permission: " + c.permission(r)
	case e.status >= http.StatusInternalServerError:
		return "Container Registry's API fails; run the same command again later"
	}
	return "Container Registry gives no login"
}

// permission names the RAM action of the request.
func (c *client) permission(r request) string {
	all := "cr:GetAuthorizationToken, cr:PushRepository and cr:PullRepository"
	if c.at.Edition == address.Enterprise {
		all = "cr:ListInstance, " + all
	}
	return fmt.Sprintf("grant the user or role the RAM action cr:%s (a push needs %s)", r.action, all)
}
