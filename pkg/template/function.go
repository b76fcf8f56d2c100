// Package template has functions as their templates describe them:
// template.yaml (fun) and s.yaml (Serverless Devs, components fc and fc3).
package template

import (
	"strings"
	"time"
)

// Runtimes of functions that bring their own server. The others, such as
// nodejs20, are named as the platform names them.
const (
	Custom          = "custom"           // a code package with a bootstrap; also custom.debian10 and so on
	CustomContainer = "custom-container" // an image
)

// Function is one function of a template, with the platform's defaults where
// the template says nothing.
type Function struct {
	Name    string
	Service string // of FC 2.0 and fun; "" in FC 3.0
	Region  string // "" where the template does not say
	Runtime string // Custom, CustomContainer, or another
	Handler string

	Image string // of CustomContainer: a reference
	// Entrypoint replaces the image's, and so the shim; Command is what it is
	// started with. Nil is the image's own. (fun and FC 2.0 call them Command
	// and Args.) Of Custom they are what is started in place of
	// /code/bootstrap, and its arguments.
	Entrypoint, Command []string
	Code                string // of Custom: the folder of the code, relative to the template's; "" where it is in OSS
	// InstanceID is the enterprise instance of Container Registry that the
	// image is in, where the template says it.
	InstanceID string
	// OwnRegistry: the template has the login of a registry that is not
	// Container Registry (FC 3.0).
	OwnRegistry bool

	Port        int           // that the function listens on
	Memory      int           // MB
	CPU         float64       // cores; 0 is what goes with the memory
	Disk        int           // MB
	GPU         bool          // the instance has one, or a part of one
	Timeout     time.Duration // of one invocation
	Concurrency int           // invocations that one instance has at once
	Environment map[string]string
	Role        string   // a RAM role's name or ARN, as it is written
	Policies    []string // names of policies that the tool gives the role it makes
	Description string
	// LogProject and LogStore are where the platform writes logs, of Simple Log
	// Service; "" where the template does not name them.
	LogProject, LogStore string `json:",omitempty"`

	Initializer, PreFreeze, PreStop Hook
	Health                          *Health // nil: none
	Triggers                        []Trigger

	// Others are what else the template says, by its names for it: vpcConfig,
	// logConfig … imgbuild does not look into it.
	Others []string `json:",omitempty"`

	// File and Line are where the template has the function. Lines are those
	// of its fields that are written there, by their names here.
	File  string
	Line  int
	Lines map[string]int `json:",omitempty"`
}

// CodePackage says whether the function is a code package with its own server.
func (f Function) CodePackage() bool {
	return f.Runtime == Custom || strings.HasPrefix(f.Runtime, Custom+".")
}

// Hook is a call that the platform makes in an instance's life.
type Hook struct {
	Set     bool
	Handler string
	Command []string // of FC 3.0: run in place of the call
	Timeout time.Duration
}

// Health is how the platform looks whether an instance is well.
type Health struct {
	Path                               string
	InitialDelay, Period, Timeout      time.Duration
	FailureThreshold, SuccessThreshold int
}

// Trigger is what calls a function.
type Trigger struct {
	Name    string
	Type    string // http, timer, oss …
	Auth    string // of http: anonymous, function or jwt
	Methods []string
	Line    int
}
