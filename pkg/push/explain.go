package push

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/address"
)

// explain says what went wrong with a push in plain words, and what to do.
func explain(repo address.Repository, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("pushing %s: %w", repo, err)
	}
	why, next := reason(repo, err)
	if why == "" {
		return fmt.Errorf("pushing %s: %w", repo, err)
	}
	return fmt.Errorf("pushing %s: %s; %s\n  %w", repo, why, next, err)
}

func reason(repo address.Repository, err error) (why, next string) {
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return "", "" // says all itself
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return refusal(repo, e)
	}
	host := repo.Host
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the certificate of %s is not trusted (%v)", host, e.Err),
			"add its certificate authority to this machine's, or name its file in SSL_CERT_FILE"
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return fmt.Sprintf("%s answers in plain HTTP where HTTPS is needed", host),
			"plain HTTP is spoken to loopback addresses only; give the registry a certificate, or reach it through 127.0.0.1"
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return fmt.Sprintf("there is no host %s", e.Name), "check the name in --registry or --region"
	}
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return fmt.Sprintf("%s cannot be reached", host), "check the address, the port and the network; then run the same command again"
	}
	if _, ok := errors.AsType[*stalledError](err); ok {
		return fmt.Sprintf("%s stopped answering", host), "run the same command again: what it has is not sent twice"
	}
	return "", ""
}

// refusal explains an answer of the registry.
func refusal(repo address.Repository, e *Error) (why, next string) {
	said := strings.ToLower(e.said())
	has := func(words ...string) bool {
		for _, w := range words {
			if !strings.Contains(said, w) {
				return false
			}
		}
		return true
	}
	namespace, name, nested := strings.Cut(repo.Path, "/")
	switch {
	case e.immutableTag():
		return "the tag exists and the registry does not let it be moved (immutable tags)",
			"with --immutable all the push leaves such tags and moves the others; or push under another tag, or switch immutable tags off for this repository"
	case has("quota") || has("insufficient storage") || e.Status == http.StatusInsufficientStorage:
		return "the registry has no room left for this user or namespace", "free some, or raise the quota"
	case e.is("NAME_UNKNOWN") || has("namespace", "not exist") || has("namespace", "not found") ||
		has("repository", "not exist") || has("project", "not found") || e.Status == http.StatusNotFound:
		what := fmt.Sprintf("the repository %s does not exist there and is not made by a push", repo.Path)
		if nested {
			what = fmt.Sprintf("there is no namespace %s (or no repository %s, where pushes do not make them)", namespace, repo.Path)
		}
		return what, fmt.Sprintf("create it in the console of %s, or check --namespace and --registry for a typo", repo.Host)
	case e.Status == http.StatusForbidden || e.is("DENIED") || e.insufficientScope():
		next := "ask for push permission on it, or `docker login " + repo.Host + "` as another user"
		if _, ok := address.ParseACR(repo.Host); ok {
			next = "the user or role needs the RAM actions cr:PushRepository and cr:PullRepository on it, and the namespace " + namespace +
				" must exist, for a push makes none; or `docker login " + repo.Host + "` as another user"
			if strings.Contains(name, "/") {
				next += "; the personal edition also refuses more than one namespace and one name"
			}
		}
		return fmt.Sprintf("this user may not push to %s", repo.Path), next
	case e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("%s does not accept the credentials", repo.Host), fmt.Sprintf("run `docker login %s` again", repo.Host)
	case e.is("MANIFEST_INVALID", "UNSUPPORTED") || has("unknown manifest class"):
		return "the registry does not take this kind of manifest", "push a single platform without attestations, or with the other media types"
	case e.is("DIGEST_INVALID"):
		return "what arrived there has another digest than what was read here", "run the same command again; if it happens again, the file in the store or the network is damaged"
	case e.is("NAME_INVALID"):
		return fmt.Sprintf("the registry does not allow the name %s", repo.Path), "some allow exactly one namespace and one name: check --registry"
	case e.tlsWanted():
		return fmt.Sprintf("%s speaks HTTPS and was asked in plain HTTP", repo.Host), "check the port"
	case e.Status == http.StatusTooManyRequests:
		if e.RetryAfter > 0 {
			return fmt.Sprintf("%s wants fewer requests, and none for %s", repo.Host, e.RetryAfter), "run the same command again then"
		}
		return fmt.Sprintf("%s wants fewer requests", repo.Host), "run the same command again later"
	case e.Status >= 500:
		return fmt.Sprintf("%s fails", repo.Host), "run the same command again later: what it has is not sent twice"
	}
	return "", ""
}

func (e *Error) insufficientScope() bool {
	for _, c := range e.challenges {
		if c.params["error"] == "insufficient_scope" {
			return true
		}
	}
	return false
}
