package lambdatest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Sender is an AWS service that makes HTTP requests events.
type Sender string

// The senders.
const (
	FunctionURL  Sender = "function URL"               // payload format 2.0
	HTTPAPI      Sender = "HTTP API"                   // API Gateway, payload format 2.0
	RESTAPI      Sender = "REST API"                   // API Gateway, payload format 1.0
	LoadBalancer Sender = "load balancer"              // without multi-value headers
	MultiValue   Sender = "load balancer, multi-value" // with them
)

// Senders are all of them.
var Senders = []Sender{FunctionURL, HTTPAPI, RESTAPI, LoadBalancer, MultiValue}

// Request makes an HTTP request the event that the sender would make of it.
func (from Sender) Request(method, target string, h http.Header, body []byte) []byte {
	path, query, _ := strings.Cut(target, "?")
	e := map[string]any{"isBase64Encoded": !utf8.Valid(body), "body": nil}
	switch {
	case !utf8.Valid(body):
		e["body"] = base64.StdEncoding.EncodeToString(body)
	case len(body) > 0:
		e["body"] = string(body)
	}
	single, multi := map[string]string{}, map[string][]string{}
	for name, values := range h {
		if from == MultiValue || from == LoadBalancer {
			name = strings.ToLower(name)
		}
		multi[name] = values
		single[name] = values[len(values)-1]
	}
	decoded, _ := url.ParseQuery(query)
	switch from {
	case FunctionURL, HTTPAPI:
		single = map[string]string{}
		for name, values := range h {
			if name == "Cookie" {
				e["cookies"] = strings.Split(strings.Join(values, "; "), "; ")
				continue
			}
			single[strings.ToLower(name)] = strings.Join(values, ",")
		}
		e["version"], e["routeKey"], e["rawPath"], e["rawQueryString"] = "2.0", "$default", path, query
		e["headers"] = single
		e["requestContext"] = map[string]any{
			"accountId": "123456789012", "domainName": "id.lambda-url.us-test-1.example.com", "stage": "$default",
			"http": map[string]any{"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
		}
	case RESTAPI:
		decodedPath, _ := url.PathUnescape(path)
		e["version"], e["resource"], e["httpMethod"], e["path"] = "1.0", "/{proxy+}", method, decodedPath
		e["headers"], e["multiValueHeaders"] = single, multi
		e["queryStringParameters"], e["multiValueQueryStringParameters"] = last(decoded), decoded
		e["requestContext"] = map[string]any{"stage": "prod", "path": "/prod" + path, "httpMethod": method, "domainName": "id.execute-api.us-test-1.example.com",
			"identity": map[string]any{"sourceIp": "192.0.2.1"}}
	default:
		raw := map[string][]string{}
		for pair := range strings.SplitSeq(query, "&") {
			if name, v, _ := strings.Cut(pair, "="); pair != "" {
				raw[name] = append(raw[name], v)
			}
		}
		e["httpMethod"], e["path"] = method, path
		e["requestContext"] = map[string]any{"elb": map[string]any{"targetGroupArn": "arn:aws:elasticloadbalancing:us-test-1:123456789012:targetgroup/test/1"}}
		if from == MultiValue {
			e["multiValueHeaders"], e["multiValueQueryStringParameters"] = multi, raw
		} else {
			e["headers"], e["queryStringParameters"] = single, last(raw)
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return data
}

func last(all map[string][]string) map[string]string {
	out := map[string]string{}
	for name, values := range all {
		out[name] = values[len(values)-1]
	}
	return out
}

// Response is what the sender's client gets.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Response reads a container's answer as the sender does. It is strict about
// what that sender ignores or refuses.
func (from Sender) Response(r *Result) (*Response, error) {
	if r.ErrorType != "" && !r.Streamed {
		return nil, fmt.Errorf("the function failed: %s %s", r.ErrorType, r.Payload)
	}
	payload, rest := r.Payload, []byte(nil)
	if r.Streamed {
		if r.ContentType != "application/vnd.awslambda.http-integration-response" {
			return nil, fmt.Errorf("a streamed answer of type %q", r.ContentType)
		}
		var ok bool
		if payload, rest, ok = bytes.Cut(payload, make([]byte, 8)); !ok {
			return nil, fmt.Errorf("a streamed answer without the end of its prelude")
		}
	}
	var a struct {
		StatusCode        int
		StatusDescription string
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Cookies           []string
		Body              *string
		IsBase64Encoded   *bool
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("%w: %.200q", err, payload)
	}
	balancer := from == LoadBalancer || from == MultiValue
	switch {
	case a.StatusCode < 200 || a.StatusCode > 599:
		return nil, fmt.Errorf("status %d", a.StatusCode)
	case balancer != (a.StatusDescription != ""):
		return nil, fmt.Errorf("the status description %q", a.StatusDescription)
	case (from == RESTAPI || from == MultiValue) == (a.MultiValueHeaders == nil) || (a.Headers == nil) == (a.MultiValueHeaders == nil):
		return nil, fmt.Errorf("headers in the wrong place: %s", payload)
	case a.Cookies != nil && from != FunctionURL && from != HTTPAPI:
		return nil, fmt.Errorf("cookies for a %s", from)
	case r.Streamed == (a.Body != nil):
		return nil, fmt.Errorf("body: %s", payload)
	}
	out := &Response{Status: a.StatusCode, Header: http.Header{}, Body: rest}
	for name, v := range a.Headers {
		out.Header.Set(name, v)
	}
	for name, values := range a.MultiValueHeaders {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	for _, c := range a.Cookies {
		out.Header.Add("Set-Cookie", c)
	}
	if a.Body != nil {
		out.Body = []byte(*a.Body)
		if a.IsBase64Encoded != nil && *a.IsBase64Encoded {
			var err error
			if out.Body, err = base64.StdEncoding.DecodeString(*a.Body); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
