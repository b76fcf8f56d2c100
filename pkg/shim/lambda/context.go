package lambda

import (
	"strconv"
	"strings"
	"time"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/shim/message"
)

// variables are what Lambda's environment has for Function Compute's headers.
var variables = []struct{ header, variable string }{
	{fc.HeaderFunctionName, "AWS_LAMBDA_FUNCTION_NAME"},
	{fc.HeaderFunctionMemory, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"},
	{fc.HeaderQualifier, "AWS_LAMBDA_FUNCTION_VERSION"},
	{fc.HeaderVersionID, "AWS_LAMBDA_FUNCTION_VERSION"},
	{fc.HeaderRegion, "AWS_REGION"},
	{fc.HeaderLogProject, "AWS_LAMBDA_LOG_GROUP_NAME"},
	{fc.HeaderLogStore, "AWS_LAMBDA_LOG_STREAM_NAME"},
}

// runtimeFields begins the names of Lambda's own headers.
const runtimeFields = "lambda-runtime-"

// addContext adds what is known of the event and the function to a request.
func (c *Client) addContext(h *message.Header, e *event, call fc.Call) {
	add := func(name, value string) {
		if value != "" && !strings.ContainsAny(value, "\r\n\x00") {
			h.Add(name, value)
		}
	}
	add(fc.HeaderRequestID, e.id)
	add(fc.HeaderControlPath, call.Path())
	handler := c.o.Getenv("FC_FUNCTION_HANDLER")
	if handler == "" {
		handler = c.o.Getenv("_HANDLER")
	}
	add(fc.HeaderFunctionHandler, handler)
	for _, v := range variables {
		add(v.header, c.o.Getenv(v.variable))
	}
	if left := time.Until(e.deadline); !e.deadline.IsZero() && left > 0 {
		add(fc.HeaderFunctionTimeout, strconv.Itoa(int((left+time.Second-1)/time.Second)))
	}
	// arn:aws:lambda:REGION:ACCOUNT:function:NAME
	if arn := strings.Split(e.header.Get("Lambda-Runtime-Invoked-Function-Arn"), ":"); len(arn) > 4 {
		add(fc.HeaderAccountID, arn[4])
	}
	for _, f := range e.header {
		switch name := strings.ToLower(f.Name); {
		case name == "lambda-runtime-trace-id":
			add("X-Amzn-Trace-Id", f.Value)
		case strings.HasPrefix(name, runtimeFields) && name != "lambda-runtime-aws-request-id":
			add(f.Name, f.Value)
		}
	}
}
