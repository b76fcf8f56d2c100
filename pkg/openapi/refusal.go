package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// Refusal is an answer of an API that is an error.
type Refusal struct {
	Status    int
	Code      string
	RequestID string
	// Message is the platform's, one line of at most 300 bytes. It is left out
	// where it is about keys and signatures: it may quote all that was signed.
	Message    string
	Date       time.Time // of the API's clock
	RetryAfter time.Duration
}

// Error is String with the message.
func (e *Refusal) Error() string {
	if e.Message == "" {
		return e.String()
	}
	return e.String() + ": " + e.Message
}

func (e *Refusal) String() string {
	s := fmt.Sprintf("the API answers %d", e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.RequestID != "" {
		s += ", request " + e.RequestID
	}
	return s
}

// Has says that the code begins with one of the words, in any case.
func (e *Refusal) Has(words ...string) bool {
	for _, w := range words {
		if len(e.Code) >= len(w) && strings.EqualFold(e.Code[:len(w)], w) {
			return true
		}
	}
	return false
}

// Throttled says that fewer requests are wanted.
func (e *Refusal) Throttled() bool {
	return e.Status == http.StatusTooManyRequests || e.Has("Throttling", "ResourceThrottled")
}

// Temporary says that the same request may be taken later. A nonce is used
// where net/http sent a request again over another connection; the next try
// has another.
func (e *Refusal) Temporary() bool {
	return e.Throttled() || e.Status >= 500 || e.Has("ServiceUnavailable", "SystemError", "SignatureNonceUsed")
}

// KeyProblem says what is wrong with the access key, the signature or the
// clock, and what to do; "" where it is something else.
func (e *Refusal) KeyProblem(now time.Time) string {
	switch {
	case e.Has("InvalidTimeStamp", "IllegalTimestamp"):
		if skew := now.Sub(e.Date).Round(time.Second); !e.Date.IsZero() && skew.Abs() > time.Minute {
			how := "ahead of"
			if skew < 0 {
				how = "behind"
			}
			return fmt.Sprintf("this machine's clock is %s %s Alibaba Cloud's; set it right", skew.Abs(), how)
		}
		return "this machine's clock is not right; set it"
	case e.Has("InvalidAccessKeyId.Inactive"):
		return "the access key is disabled; enable it in the RAM console, or use another"
	case e.Has("InvalidAccessKeyId"):
		return "there is no such access key; check the ID"
	case e.Has("SignatureDoesNotMatch", "SignatureNotMatch", "IncompleteSignature", "InvalidAccessKeySecret"):
		return "the access key's secret is wrong; check it for a typo or an old value"
	case e.Has("InvalidSecurityToken", "MissingSecurityToken", "SecurityTokenExpired"):
		return "the temporary access key has expired or lacks its security token; get a new one (in the environment ALIBABA_CLOUD_SECURITY_TOKEN belongs to it)"
	}
	return ""
}

var code = lazyregexp.New(`[A-Za-z0-9._-]{1,80}`)

func isCode(s string) bool { return s != "" && code().FindString(s) == s }

// parseRefusal returns nil where the answer is a good one.
func parseRefusal(res *http.Response, body []byte, raw bool) *Refusal {
	// Any API's: names are matched in any case. Function Compute has errorCode
	// and errorMessage in its older answers.
	var doc struct {
		Code, ErrorCode       any
		Message, ErrorMessage any
		RequestID             any `json:"requestId"`
		IsSuccess             any
	}
	err := json.Unmarshal(body, &doc)
	good := res.StatusCode/100 == 2
	if !raw {
		failed := doc.IsSuccess == false
		good = good && !failed && (err == nil || res.StatusCode == http.StatusNoContent || len(body) == 0)
	}
	if good {
		return nil
	}
	e := &Refusal{Status: res.StatusCode}
	for _, v := range []any{doc.Code, doc.ErrorCode} {
		if s, ok := v.(string); ok && isCode(s) && e.Code == "" {
			e.Code = s
		}
	}
	for _, v := range []any{doc.RequestID, res.Header.Get("X-Acs-Request-Id"), res.Header.Get("X-Fc-Request-Id")} {
		if s, ok := v.(string); ok && isCode(s) && e.RequestID == "" {
			e.RequestID = s
		}
	}
	for _, v := range []any{doc.Message, doc.ErrorMessage} {
		if s, ok := v.(string); ok && e.Message == "" {
			e.Message = line(s)
		}
	}
	if e.Code == "" || e.KeyProblem(time.Time{}) != "" || e.Has("SignatureNonce") {
		e.Message = ""
	}
	e.Date, _ = http.ParseTime(res.Header.Get("Date"))
	e.RetryAfter = retryAfter(res.Header.Get("Retry-After"), e.Date)
	return e
}

// retryAfter reads the header, seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil && !now.IsZero() && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// maxMessage is in bytes.
const maxMessage = 300

// line makes one line of a text, without what would act on a terminal.
func line(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}
