package template

import (
	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/fc"
	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// fc3Props are the props of the component fc3, for Function Compute 3.0, as
// the component's schema has them.
type fc3Props struct {
	Region      string                     `json:"region"`
	Name        string                     `json:"functionName"`
	Runtime     string                     `json:"runtime"`
	Description string                     `json:"description,omitempty"`
	Handler     string                     `json:"handler,omitempty"`
	Code        strictyaml.Raw             `json:"code,omitempty"`
	Memory      int                        `json:"memorySize,omitempty"`
	CPU         float64                    `json:"cpu,omitempty"`
	Disk        int                        `json:"diskSize,omitempty"`
	Timeout     int                        `json:"timeout,omitempty"`
	Concurrency int                        `json:"instanceConcurrency,omitempty"`
	Environment map[string]strictyaml.Text `json:"environmentVariables,omitempty"`
	Role        strictyaml.Raw             `json:"role,omitempty"`
	Container   *fc3Container              `json:"customContainerConfig,omitempty"`
	Custom      *customRuntime             `json:"customRuntimeConfig,omitempty"`
	Lifecycle   fc3Lifecycle               `json:"instanceLifecycleConfig,omitempty"`
	Triggers    []fc3Trigger               `json:"triggers,omitempty"`

	Alias                 strictyaml.Raw `json:"alias,omitempty"`
	Annotations           strictyaml.Raw `json:"annotations,omitempty"`
	AsyncInvokeConfig     strictyaml.Raw `json:"asyncInvokeConfig,omitempty"`
	ConcurrencyConfig     strictyaml.Raw `json:"concurrencyConfig,omitempty"`
	CustomDomain          strictyaml.Raw `json:"customDomain,omitempty"`
	CustomDNS             strictyaml.Raw `json:"customDNS,omitempty"`
	DisableOndemand       strictyaml.Raw `json:"disableOndemand,omitempty"`
	EnableLongLiving      strictyaml.Raw `json:"enableLongLiving,omitempty"`
	Endpoint              strictyaml.Raw `json:"endpoint,omitempty"`
	GPUConfig             strictyaml.Raw `json:"gpuConfig,omitempty"`
	IdleTimeout           strictyaml.Raw `json:"idleTimeout,omitempty"`
	InstanceIsolationMode strictyaml.Raw `json:"instanceIsolationMode,omitempty"`
	InternetAccess        strictyaml.Raw `json:"internetAccess,omitempty"`
	Layers                strictyaml.Raw `json:"layers,omitempty"`
	LogConfig             strictyaml.Raw `json:"logConfig,omitempty"`
	NasConfig             strictyaml.Raw `json:"nasConfig,omitempty"`
	OSSMountConfig        strictyaml.Raw `json:"ossMountConfig,omitempty"`
	PolarFSConfig         strictyaml.Raw `json:"polarFsConfig,omitempty"`
	ProvisionConfig       strictyaml.Raw `json:"provisionConfig,omitempty"`
	ResourceGroupID       strictyaml.Raw `json:"resourceGroupId,omitempty"`
	ScalingConfig         strictyaml.Raw `json:"scalingConfig,omitempty"`
	SessionAffinity       strictyaml.Raw `json:"sessionAffinity,omitempty"`
	SessionAffinityConfig strictyaml.Raw `json:"sessionAffinityConfig,omitempty"`
	Supplement            strictyaml.Raw `json:"supplement,omitempty"`
	Tags                  strictyaml.Raw `json:"tags,omitempty"`
	TracingConfig         strictyaml.Raw `json:"tracingConfig,omitempty"`
	VpcBinding            strictyaml.Raw `json:"vpcBinding,omitempty"`
	VpcConfig             strictyaml.Raw `json:"vpcConfig,omitempty"`
}

type fc3Container struct {
	Image            strictyaml.Raw `json:"image"`
	Port             int            `json:"port,omitempty"`
	Entrypoint       []string       `json:"entrypoint,omitempty"`
	Command          []string       `json:"command,omitempty"`
	Health           *health        `json:"healthCheckConfig,omitempty"`
	RegistryConfig   strictyaml.Raw `json:"registryConfig,omitempty"`
	InstanceID       string         `json:"acrInstanceId,omitempty"`
	AccelerationType strictyaml.Raw `json:"accelerationType,omitempty"`
	ResolvedImageURI strictyaml.Raw `json:"resolvedImageUri,omitempty"`
}

type fc3Lifecycle struct {
	Initializer *fc3Hook `json:"initializer,omitempty"`
	PreStop     *fc3Hook `json:"preStop,omitempty"`
}

type fc3Hook struct {
	Handler string   `json:"handler,omitempty"`
	Timeout int      `json:"timeout,omitempty"`
	Command []string `json:"command,omitempty"`
}

// fc3 reads a function of the component fc3.
func (r *reader) fc3(props strictyaml.Raw) {
	var p fc3Props
	if r.Read(props, &p); !r.Has(props.Path()) {
		return
	}
	at := props.Path()
	f := Function{
		Name:        p.Name,
		Region:      p.Region,
		Runtime:     r.runtime(at+"/runtime", p.Runtime),
		Handler:     p.Handler,
		Port:        fc.DefaultPort,
		Memory:      r.whole(at+"/memorySize", p.Memory, 1, 512),
		CPU:         p.CPU,
		GPU:         child(p.GPUConfig.Node, "gpuType") != nil,
		Disk:        r.whole(at+"/diskSize", p.Disk, 1, 512),
		Timeout:     r.seconds(at+"/timeout", p.Timeout, 1, 3),
		Concurrency: r.whole(at+"/instanceConcurrency", p.Concurrency, 1, 1),
		Environment: r.environment(at+"/environmentVariables", p.Environment),
		Role:        p.Role.Text(),
		Description: p.Description,
		Initializer: r.fc3Hook(p.Lifecycle.Initializer, at+"/instanceLifecycleConfig/initializer", 3),
		PreStop:     r.fc3Hook(p.Lifecycle.PreStop, at+"/instanceLifecycleConfig/preStop", 30),
		Line:        r.Line(at[:len(at)-len("/props")]),
	}
	for _, w := range []struct{ field, key string }{
		{"Region", "region"}, {"Runtime", "runtime"}, {"Handler", "handler"}, {"Code", "code"}, {"Memory", "memorySize"}, {"CPU", "cpu"},
		{"Disk", "diskSize"}, {"Timeout", "timeout"}, {"Concurrency", "instanceConcurrency"}, {"Environment", "environmentVariables"},
		{"Initializer", "instanceLifecycleConfig/initializer"}, {"PreStop", "instanceLifecycleConfig/preStop"},
	} {
		r.line(&f, w.field, at+"/"+w.key)
	}
	for i, t := range p.Triggers {
		path := strictyaml.At(at+"/triggers", i)
		if t, ok := r.projectTrigger(t.Name, t.Type, t.Config, path, "triggerType", "triggerConfig", []string{"anonymous", "function", "jwt"}); ok {
			f.Triggers = append(f.Triggers, t)
		}
	}
	image := r.fc3Program(&f, p, at)
	f.setLog(p.LogConfig)
	f.Others = others(p, p.Container)
	r.needContainer(f, p.Container != nil, at)
	if r.Has(at + "/functionName") {
		r.add(f, at+"/functionName", image)
	}
}

// fc3Program reads what the function runs, an image or a code package.
func (r *reader) fc3Program(f *Function, p fc3Props, at string) (image strictyaml.Raw) {
	if c := p.Container; f.Runtime == CustomContainer && c != nil {
		at += "/customContainerConfig"
		f.Image = r.image(c.Image)
		f.Port = r.port(at+"/port", c.Port)
		f.Entrypoint, f.Command = some(c.Entrypoint), some(c.Command)
		f.Health = r.health(c.Health, at+"/healthCheckConfig")
		f.InstanceID = c.InstanceID
		f.OwnRegistry = c.RegistryConfig.Node != nil && c.RegistryConfig.Node.Tag != "!!null"
		for _, w := range []struct{ field, key string }{
			{"Image", "image"}, {"Port", "port"}, {"Entrypoint", "entrypoint"}, {"Command", "command"}, {"Health", "healthCheckConfig"},
		} {
			r.line(f, w.field, at+"/"+w.key)
		}
		return c.Image
	}
	f.Code = r.code(p.Code)
	inOSS := p.Code.Node != nil && p.Code.Node.Kind == yaml.MappingNode
	r.custom(f, p.Custom, at, "code", inOSS)
	if c := p.Custom; c != nil && f.CodePackage() {
		at += "/customRuntimeConfig"
		f.Port = r.port(at+"/port", c.Port)
		f.Health = r.health(c.Health, at+"/healthCheckConfig")
		r.line(f, "Port", at+"/port")
		r.line(f, "Health", at+"/healthCheckConfig")
	}
	return image
}

func (r *reader) fc3Hook(h *fc3Hook, at string, otherwise int) Hook {
	switch {
	case h == nil:
		return Hook{}
	case h.Handler == "" && len(h.Command) == 0:
		r.Add(at, r.Last(at)+" has neither a handler nor a command", "add `handler: index."+r.Last(at)+"`")
	}
	return Hook{Set: true, Handler: h.Handler, Command: h.Command, Timeout: r.seconds(at+"/timeout", h.Timeout, 1, otherwise)}
}
