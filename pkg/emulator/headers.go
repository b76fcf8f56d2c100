package emulator

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
)

// Names that the platform uses towards callers, and in FC 2.0 towards
// functions.
const (
	headerErrorType        = "X-Fc-Error-Type"
	headerInstanceID       = "X-Fc-Instance-Id"
	headerDuration         = "X-Fc-Invocation-Duration" // ms
	headerInitializer      = "x-fc-function-initializer"
	headerInitTimeout      = "x-fc-initialization-timeout"
	headerPreStopHandler   = "x-fc-instance-lifecycle-pre-stop-handler"
	headerPreFreezeHandler = "x-fc-instance-lifecycle-pre-freeze-handler"
)

// codePath is where the platform puts a code package.
const codePath = "/code"

// newID is a random UUID, as request ids are.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newInstanceID is the ID of a container, as the platform writes them.
func newInstanceID() string { return "c-" + strings.ReplaceAll(newID(), "-", "")[:16] }

// values are what the platform tells a function in headers and, where
// fc.Variables has a name for it, in the environment.
func (e *Emulator) values() map[string]string {
	f, o := e.function, e.options
	v := map[string]string{
		fc.HeaderFunctionName:    f.Name,
		fc.HeaderFunctionHandler: f.Handler,
		fc.HeaderFunctionMemory:  strconv.Itoa(f.Memory),
		fc.HeaderRegion:          f.Region,
		fc.HeaderAccountID:       o.AccountID,
		fc.HeaderQualifier:       o.Qualifier,
		fc.HeaderVersionID:       o.Qualifier,
		fc.HeaderServiceName:     f.Service,
		fc.HeaderLogProject:      f.LogProject,
		fc.HeaderLogStore:        f.LogStore,
		fc.HeaderAccessKeyID:     o.Credentials.AccessKeyID,
		fc.HeaderAccessKeySecret: o.Credentials.AccessKeySecret,
		fc.HeaderSecurityToken:   o.Credentials.SecurityToken,
	}
	maps.DeleteFunc(v, func(_, value string) bool { return value == "" })
	return v
}

// tell sets the platform's own headers, which are nobody else's to set.
func (e *Emulator) tell(h http.Header, kind fc.Call, id string) {
	for name := range h {
		if fc.Own(name) {
			delete(h, name)
		}
	}
	for name, value := range e.told {
		h.Set(name, value)
	}
	h.Set(fc.HeaderRequestID, id)
	h.Set(fc.HeaderControlPath, kind.Path())
}

// toldHeaders are those of tell that are the same in every call.
func (e *Emulator) toldHeaders() map[string]string {
	f := e.function
	told := e.values()
	told[fc.HeaderFunctionTimeout] = seconds(f.Timeout)
	if f.Service == "" {
		return told
	}
	if f.Initializer.Set {
		told[headerInitializer], told[headerInitTimeout] = f.Initializer.Handler, seconds(f.Initializer.Timeout)
	}
	if f.PreStop.Set {
		told[headerPreStopHandler] = f.PreStop.Handler
	}
	if f.PreFreeze.Set {
		told[headerPreFreezeHandler] = f.PreFreeze.Handler
	}
	return told
}

func seconds(d time.Duration) string { return strconv.Itoa(max(1, int(d.Seconds()))) }

// environ is the environment of an instance. The function's own variables win.
func (e *Emulator) environ(instance string) []string {
	env := map[string]string{
		"FC_FUNC_CODE_PATH":     codePath,
		"FC_CUSTOM_LISTEN_PORT": strconv.Itoa(e.function.Port),
		"FC_INSTANCE_ID":        instance,
	}
	values := e.values()
	for _, v := range fc.Variables {
		if value := values[v.Header]; value != "" {
			env[v.Variable] = value
		}
	}
	maps.Copy(env, e.function.Environment)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}
