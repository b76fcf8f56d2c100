// Package fc is Function Compute's contract with a container: the names,
// calls, log lines and limits that Alibaba Cloud documents for custom
// containers ("Custom container: principles", "HTTP trigger", "Limits"). It
// imports the standard library only, because the shim uses it.
package fc

import "strings"

// DefaultPort is where the platform calls a program of a custom runtime, and a
// container whose port is not set (CAPort).
const DefaultPort = 9000

// Names of request headers. All begin with Prefix.
const (
	Prefix = "x-fc-"

	HeaderRequestID       = "x-fc-request-id"
	HeaderControlPath     = "x-fc-control-path"
	HeaderAccessKeyID     = "x-fc-access-key-id"
	HeaderAccessKeySecret = "x-fc-access-key-secret"
	HeaderSecurityToken   = "x-fc-security-token"
	HeaderFunctionHandler = "x-fc-function-handler"
	HeaderFunctionMemory  = "x-fc-function-memory"
	HeaderFunctionName    = "x-fc-function-name"
	HeaderFunctionTimeout = "x-fc-function-timeout"
	HeaderRegion          = "x-fc-region"
	HeaderAccountID       = "x-fc-account-id"
	HeaderQualifier       = "x-fc-qualifier"
	HeaderVersionID       = "x-fc-version-id"
	HeaderLogProject      = "x-fc-service-logproject"
	HeaderLogStore        = "x-fc-service-logstore"
	HeaderServiceName     = "x-fc-service-name" // FC 2.0
)

// HeaderStatus is the response header that says whether an event call
// succeeded: "200" or "404". Without it the platform counts success, whatever
// the HTTP status is.
const HeaderStatus = "x-fc-status"

// Limits of the platform.
const (
	MaxHeaderBytes = 8 << 10   // all request headers
	MaxTargetBytes = 4 << 10   // path and query
	MaxBodyBytes   = 32 << 20  // synchronous call
	MaxAsyncBytes  = 128 << 10 // asynchronous call
	MaxConcurrency = 200       // instanceConcurrency
)

// Call is a kind of call that the platform makes.
type Call int

// The calls.
const (
	HTTP       Call = iota // an HTTP trigger's: any method and path
	Invoke                 // an event: POST /invoke
	Initialize             // POST /initialize
	PreFreeze              // GET /pre-freeze
	PreStop                // GET /pre-stop
)

// paths are the control paths of the calls.
var paths = [...]string{HTTP: "/http-invoke", Invoke: "/invoke", Initialize: "/initialize", PreFreeze: "/pre-freeze", PreStop: "/pre-stop"}

// Path is the call's x-fc-control-path. For all but HTTP it is also the path
// of the request itself.
func (c Call) Path() string { return paths[c] }

// Method is the method that the platform uses, "" where it may be any.
func (c Call) Method() string {
	switch c {
	case Invoke, Initialize:
		return "POST"
	case PreFreeze, PreStop:
		return "GET"
	}
	return ""
}

// Hook says whether the call belongs to the instance's life and not to a
// request of a user.
func (c Call) Hook() bool { return c >= Initialize }

// Event says whether the platform reads HeaderStatus of the answer. An HTTP
// trigger's answer goes to its client as it is.
func (c Call) Event() bool { return c != HTTP }

// CallOf tells calls apart by the control path. Only where that is absent,
// as local tools never send it, do method and path say it: a client of an HTTP
// trigger may itself ask for /invoke.
func CallOf(controlPath, method, path string) Call {
	for c := Invoke; c <= PreStop; c++ {
		if controlPath == c.Path() || controlPath == "" && method == c.Method() && path == c.Path() {
			return c
		}
	}
	return HTTP
}

// Own says whether a header field is one of the platform's own, in any case of
// its letters.
func Own(name string) bool {
	return len(name) >= len(Prefix) && strings.EqualFold(name[:len(Prefix)], Prefix)
}

// LogName is how log lines name the call.
func (c Call) LogName() string {
	switch c {
	case Initialize:
		return "Initialize"
	case PreFreeze:
		return "PreFreeze"
	case PreStop:
		return "PreStop"
	}
	return "Invoke"
}

// LogFailed is what the End line of a call that failed ends in.
const LogFailed = ", Error: Unhandled function error"

// StartLine is the line that the platform's console cuts a request's log out
// by, without the newline.
func (c Call) StartLine(id string) string { return "FC " + c.LogName() + " Start RequestId: " + id }

// EndLine is the line that ends a request's log, without the newline.
func (c Call) EndLine(id string, failed bool) string {
	line := "FC " + c.LogName() + " End RequestId: " + id
	if failed {
		line += LogFailed
	}
	return line
}

// Reserved says whether the platform keeps a response header for itself, so
// that a program's has no effect. The value counts for one of them: a
// content-disposition is reserved where it says attachment.
func Reserved(name, value string) bool {
	switch name = strings.ToLower(name); name {
	case "connection", "keep-alive", "content-length", "date", "server":
		return true
	case "content-disposition":
		kind, _, _ := strings.Cut(value, ";")
		return strings.EqualFold(strings.TrimSpace(kind), "attachment")
	}
	return strings.HasPrefix(name, Prefix)
}

// Variables are the environment variables of a function that say the same as a
// request's headers; those of the credentials come first.
var Variables = []struct{ Header, Variable string }{
	{HeaderAccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_ID"},
	{HeaderAccessKeySecret, "ALIBABA_CLOUD_ACCESS_KEY_SECRET"},
	{HeaderSecurityToken, "ALIBABA_CLOUD_SECURITY_TOKEN"},
	{HeaderFunctionName, "FC_FUNCTION_NAME"},
	{HeaderFunctionHandler, "FC_FUNCTION_HANDLER"},
	{HeaderFunctionMemory, "FC_FUNCTION_MEMORY_SIZE"},
	{HeaderRegion, "FC_REGION"},
	{HeaderAccountID, "FC_ACCOUNT_ID"},
	{HeaderVersionID, "FC_FUNCTION_VERSION"},
	{HeaderQualifier, "FC_QUALIFIER"},
	{HeaderServiceName, "FC_SERVICE_NAME"},
}
