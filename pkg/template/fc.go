package template

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// fcProps are the props of the component fc, for Function Compute 2.0, as the
// component's "Yaml complete configuration" has them.
type fcProps struct {
	Region        string         `json:"region"`
	Service       fcService      `json:"service"`
	Function      fcFunction     `json:"function,omitempty"`
	Triggers      []fcTrigger    `json:"triggers,omitempty"`
	CustomDomains strictyaml.Raw `json:"customDomains,omitempty"`
	Endpoint      strictyaml.Raw `json:"endpoint,omitempty"`
	Alias         strictyaml.Raw `json:"alias,omitempty"`
}

type fcService struct {
	Name           string         `json:"name"`
	Description    strictyaml.Raw `json:"description,omitempty"`
	InternetAccess strictyaml.Raw `json:"internetAccess,omitempty"`
	Role           strictyaml.Raw `json:"role,omitempty"`
	LogConfig      strictyaml.Raw `json:"logConfig,omitempty"`
	VpcConfig      strictyaml.Raw `json:"vpcConfig,omitempty"`
	VpcBinding     strictyaml.Raw `json:"vpcBinding,omitempty"`
	NasConfig      strictyaml.Raw `json:"nasConfig,omitempty"`
	OSSMountConfig strictyaml.Raw `json:"ossMountConfig,omitempty"`
	TracingConfig  strictyaml.Raw `json:"tracingConfig,omitempty"`
	Tags           strictyaml.Raw `json:"tags,omitempty"`
}

type fcFunction struct {
	Name                  string                     `json:"name"`
	Description           string                     `json:"description,omitempty"`
	Runtime               string                     `json:"runtime"`
	Handler               string                     `json:"handler,omitempty"`
	CodeURI               strictyaml.Raw             `json:"codeUri,omitempty"`
	OSSBucket             strictyaml.Raw             `json:"ossBucket,omitempty"`
	OSSKey                strictyaml.Raw             `json:"ossKey,omitempty"`
	Memory                int                        `json:"memorySize,omitempty"`
	CPU                   float64                    `json:"cpu,omitempty"`
	Disk                  int                        `json:"diskSize,omitempty"`
	Timeout               int                        `json:"timeout,omitempty"`
	Port                  int                        `json:"caPort,omitempty"`
	Container             *fcContainer               `json:"customContainerConfig,omitempty"`
	Custom                *customRuntime             `json:"customRuntimeConfig,omitempty"`
	Health                *health                    `json:"customHealthCheckConfig,omitempty"`
	Environment           map[string]strictyaml.Text `json:"environmentVariables,omitempty"`
	Initializer           string                     `json:"initializer,omitempty"`
	InitializationTimeout int                        `json:"initializationTimeout,omitempty"`
	Concurrency           int                        `json:"instanceConcurrency,omitempty"`
	Lifecycle             fcLifecycle                `json:"instanceLifecycleConfig,omitempty"`
	SoftConcurrency       strictyaml.Raw             `json:"instanceSoftConcurrency,omitempty"`
	InstanceType          strictyaml.Raw             `json:"instanceType,omitempty"`
	Layers                strictyaml.Raw             `json:"layers,omitempty"`
	GPUMemory             strictyaml.Raw             `json:"gpuMemorySize,omitempty"`
	CustomDNS             strictyaml.Raw             `json:"customDNS,omitempty"`
	Async                 strictyaml.Raw             `json:"asyncConfiguration,omitempty"`
}

type fcContainer struct {
	Image            strictyaml.Raw `json:"image"`
	Command          string         `json:"command,omitempty"`
	Args             string         `json:"args,omitempty"`
	InstanceID       string         `json:"instanceID,omitempty"`
	AccelerationType strictyaml.Raw `json:"accelerationType,omitempty"`
	AccelerationInfo strictyaml.Raw `json:"accelerationInfo,omitempty"`
	WebServerMode    strictyaml.Raw `json:"webServerMode,omitempty"`
}

// customRuntime is how a code package is started, in both components.
type customRuntime struct {
	Command []string `json:"command,omitempty"`
	Args    []string `json:"args,omitempty"`
	Port    int      `json:"port,omitempty"`              // fc3
	Health  *health  `json:"healthCheckConfig,omitempty"` // fc3
}

type fcLifecycle struct {
	PreFreeze *fcHook `json:"preFreeze,omitempty"`
	PreStop   *fcHook `json:"preStop,omitempty"`
}

type fcHook struct {
	Handler string `json:"handler"`
	Timeout int    `json:"timeout,omitempty"`
}

// fc reads a function of the component fc.
func (r *reader) fc(props strictyaml.Raw) {
	var p fcProps
	if r.Read(props, &p); !r.Has(props.Path()) {
		return
	}
	in, at := p.Function, props.Path()+"/function"
	if !r.Written(at) {
		return // a service that has its functions elsewhere
	}
	f := Function{
		Name:        in.Name,
		Service:     p.Service.Name,
		Region:      p.Region,
		Runtime:     r.runtime(at+"/runtime", in.Runtime),
		Handler:     in.Handler,
		Port:        r.port(at+"/caPort", in.Port),
		Memory:      r.whole(at+"/memorySize", in.Memory, 1, 128),
		CPU:         in.CPU,
		GPU:         gpu(in.InstanceType),
		Disk:        r.whole(at+"/diskSize", in.Disk, 1, 512),
		Timeout:     r.seconds(at+"/timeout", in.Timeout, 1, 3),
		Concurrency: r.whole(at+"/instanceConcurrency", in.Concurrency, 1, 1),
		Environment: r.environment(at+"/environmentVariables", in.Environment),
		Role:        p.Service.Role.Text(),
		Policies:    rolePolicies(p.Service.Role),
		Description: in.Description,
		PreFreeze:   r.fcHook(in.Lifecycle.PreFreeze, at+"/instanceLifecycleConfig/preFreeze"),
		PreStop:     r.fcHook(in.Lifecycle.PreStop, at+"/instanceLifecycleConfig/preStop"),
		Health:      r.health(in.Health, at+"/customHealthCheckConfig"),
		Line:        r.Line(at),
	}
	if in.Initializer != "" {
		f.Initializer = Hook{Set: true, Handler: in.Initializer, Timeout: r.seconds(at+"/initializationTimeout", in.InitializationTimeout, 1, 3)}
	}
	for _, w := range []struct{ field, key string }{
		{"Runtime", "runtime"}, {"Handler", "handler"}, {"Code", "codeUri"}, {"Port", "caPort"}, {"Memory", "memorySize"}, {"CPU", "cpu"},
		{"Disk", "diskSize"}, {"Timeout", "timeout"}, {"Concurrency", "instanceConcurrency"}, {"Environment", "environmentVariables"},
		{"Initializer", "initializer"}, {"InitializationTimeout", "initializationTimeout"}, {"Health", "customHealthCheckConfig"},
		{"PreFreeze", "instanceLifecycleConfig/preFreeze"}, {"PreStop", "instanceLifecycleConfig/preStop"},
		{"Image", "customContainerConfig/image"}, {"Entrypoint", "customContainerConfig/command"}, {"Command", "customContainerConfig/args"},
	} {
		r.line(&f, w.field, at+"/"+w.key)
	}
	r.line(&f, "Region", props.Path()+"/region")
	for i, t := range p.Triggers {
		path := strictyaml.At(props.Path()+"/triggers", i)
		if t, ok := r.projectTrigger(t.Name, t.Type, t.Config, path, "type", "config", []string{"anonymous", "function"}); ok {
			f.Triggers = append(f.Triggers, t)
		}
	}
	var image strictyaml.Raw
	if c := in.Container; f.Runtime == CustomContainer && c != nil {
		image = c.Image
		f.Image = r.image(c.Image)
		f.InstanceID = c.InstanceID
		f.Entrypoint = r.words(at+"/customContainerConfig/command", c.Command)
		f.Command = r.words(at+"/customContainerConfig/args", c.Args)
	} else {
		f.Code = r.code(in.CodeURI)
		inOSS := in.OSSBucket.Node != nil
		r.custom(&f, in.Custom, at, "codeUri", inOSS)
	}
	f.setLog(p.Service.LogConfig)
	f.Others = others(p, p.Service, in, in.Container)
	r.needContainer(f, in.Container != nil, at)
	if r.Has(at + "/name") {
		r.add(f, at+"/name", image)
	}
}

// gpu says whether a type of instances of Function Compute 2.0 has a GPU, such
// as fc.gpu.tesla.1 and, before it, g1.
func gpu(instanceType strictyaml.Raw) bool {
	t := instanceType.Text()
	return t == "g1" || strings.HasPrefix(t, "fc.gpu.")
}

// needContainer reports a function of an image that has none.
func (r *reader) needContainer(f Function, there bool, at string) {
	if f.Runtime == CustomContainer && !there && !r.Written(at+"/customContainerConfig") {
		r.Add(at, "customContainerConfig is missing", "add it, with the image, since the runtime is "+CustomContainer)
	}
}

// custom reads how a code package is started; its code must be somewhere.
func (r *reader) custom(f *Function, c *customRuntime, at, code string, elsewhere bool) {
	if f.Runtime == CustomContainer {
		return
	}
	if f.Code == "" && !elsewhere && !r.Written(at+"/"+code) && slices.Contains(runtimes, f.Runtime) {
		r.Add(at, code+" is missing", "add the folder of the code here, such as `"+code+": ./code`")
	}
	if c != nil && f.CodePackage() {
		r.line(f, "Entrypoint", at+"/customRuntimeConfig/command")
		r.line(f, "Command", at+"/customRuntimeConfig/args")
		f.Entrypoint, f.Command = some(c.Command), some(c.Args)
	}
}

// some is nil for a list with nothing in it: the platform then takes its own.
func some(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	return words
}

// code reads where the code is: a folder, or a mapping with src. What is in
// OSS has no folder here.
func (r *reader) code(v strictyaml.Raw) (dir string) {
	if v.Node == nil || v.Node.Kind != yaml.MappingNode {
		r.Read(v, &dir)
		return dir
	}
	var in struct {
		Src       string         `json:"src,omitempty"`
		Bucket    strictyaml.Raw `json:"ossBucketName,omitempty"`
		Object    strictyaml.Raw `json:"ossObjectName,omitempty"`
		CRC       strictyaml.Raw `json:"checksum,omitempty"`
		OSSBucket strictyaml.Raw `json:"ossBucket,omitempty"`
		OSSKey    strictyaml.Raw `json:"ossKey,omitempty"`
	}
	r.Read(v, &in)
	return in.Src
}

// rolePolicies are those of a role that the component makes.
func rolePolicies(role strictyaml.Raw) []string {
	n := child(role.Node, "policies")
	if n == nil {
		n = child(role.Node, "Policies")
	}
	return policies(strictyaml.Raw{Node: n})
}

func (r *reader) fcHook(h *fcHook, at string) Hook {
	if h == nil {
		return Hook{}
	}
	return Hook{Set: true, Handler: h.Handler, Timeout: r.seconds(at+"/timeout", h.Timeout, 1, 30)}
}
