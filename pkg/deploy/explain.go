package deploy

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/imgbuild/imgbuild/pkg/openapi"
)

// apiError is a refusal with what to do about it.
type apiError struct {
	action, text string
	err          error
}

func (e *apiError) Error() string { return e.action + ": " + e.text }
func (e *apiError) Unwrap() error { return e.err }

// explain says what an answer means and what to do.
func (p *Deployment) explain(r openapi.Request, from string, err error) error {
	if e, ok := errors.AsType[*openapi.Refusal](err); ok {
		e.Message = p.hide(e.Message)
		what := e.String()
		if e.Message != "" {
			what = fmt.Sprintf("%q; %s", e.Message, what)
		}
		return &apiError{action: r.Action, text: fmt.Sprintf("%s (%s)", p.meaning(r, from, e), what), err: err}
	}
	if e, ok := errors.AsType[*openapi.UnreachableError](err); ok {
		next := "check the network"
		switch {
		case p.deployer.endpoint != nil:
			next = "check --endpoint"
		case e.NotFound:
			next = "check the region: not every one has Function Compute"
		}
		return &apiError{action: r.Action, text: fmt.Sprintf("%v; %s", e, next), err: err}
	}
	return fmt.Errorf("%s: %w", r.Action, err)
}

func (p *Deployment) meaning(r openapi.Request, from string, e *openapi.Refusal) string {
	if problem := e.KeyProblem(time.Now()); problem != "" {
		return problem + "; the key is from " + from
	}
	switch {
	case e.Throttled():
		return "Function Compute wants fewer requests; run the same command again later"
	case e.Has("ConcurrentUpdateError", "PreconditionFailed"):
		return "something else changes the function at the same time; run the same command again when that is done"
	case e.Has("FunctionNotStarted"):
		return "nothing in the image listens on the function's port in time; have it listen on 0.0.0.0 and that port"
	case e.Has("CAExited"):
		return "the image's program exited; see its log, and that its entrypoint is for " + Platform
	case e.Has("CAFileNotFound"):
		return "the image lacks the file that is to be started; check entrypoint and command"
	case e.Has("CAFilePermission"):
		return "the file that is to be started is not executable; set its run bit in the image"
	case e.Has("ResourceExhausted", "LimitExceeded"):
		return "the account has no more of this; raise the quota in the console, or remove what is not used"
	case e.Has("FunctionNotFound"):
		return fmt.Sprintf("there is no function %s in %s any more", p.fn.Name, p.region)
	case e.Has("EntityTooLarge"):
		return "the event is too large: 32 MB are allowed"
	case e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized ||
		e.Has("AccessDenied", "NoPermission", "Forbidden", "ImplicitDeny"):
		return "these credentials, from " + from + ", lack a permission: " + p.permission(r)
	case e.Has("InvalidArgument", "MissingRequired"):
		return "Function Compute does not take what it was sent; correct the template"
	case e.Status >= http.StatusInternalServerError:
		return "Function Compute fails; run the same command again later"
	}
	return "Function Compute refuses"
}

// permission names the RAM action of the request.
func (p *Deployment) permission(r openapi.Request) string {
	text := fmt.Sprintf("grant the user or role the RAM action fc:%s on acs:fc:%s:*:functions/%s", r.Action, p.region, p.fn.Name)
	if p.fn.Role != "" && (r.Action == "CreateFunction" || r.Action == "UpdateFunction") {
		text += ", and ram:PassRole on the function's role " + p.fn.Role
	}
	return text
}
