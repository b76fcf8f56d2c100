package acr

import (
	"fmt"
	"net/http"

	"github.com/imgbuild/imgbuild/pkg/address"
	"github.com/imgbuild/imgbuild/pkg/openapi"
)

// explain says what a refusal means and what to do.
func (c *client) explain(r request, e *openapi.Refusal) error {
	return fmt.Errorf("%s (%s)", c.meaning(r, e), e.String())
}

func (c *client) meaning(r request, e *openapi.Refusal) string {
	if problem := e.KeyProblem(c.source.now()); problem != "" {
		return problem
	}
	switch {
	case e.Has("USER_NOT_EXIST"):
		return "Container Registry does not know this user yet; open its console as this user, region " + c.at.Region + ", and set a registry password there once (imgbuild never sets one)"
	case e.Has("INSTANCE_NOT_EXIST", "InstanceNotExist", "Instance.NotFound"):
		return fmt.Sprintf("there is no instance %s in %s; check --instance or --registry", c.at.Instance, c.at.Region)
	case e.Throttled():
		return "Container Registry's API wants fewer requests; run the same command again later"
	case e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized ||
		e.Has("NoPermission", "NoPrivilege", "Forbidden", "NotAuthorized", "AccessDenied", "ImplicitDeny"):
		return "these credentials lack a permission: " + c.permission(r)
	case e.Status >= http.StatusInternalServerError:
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
