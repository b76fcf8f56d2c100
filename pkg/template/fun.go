package template

import (
	"slices"
	"strings"

	"github.com/imgbuild/imgbuild/pkg/strictyaml"
)

// funTemplate is a template.yaml of fun, in the form of the 2018-04-03
// specification. What has no effect on how a function runs is not read.
type funTemplate struct {
	Version     strictyaml.Raw            `json:"ROSTemplateFormatVersion"`
	Transform   strictyaml.Raw            `json:"Transform,omitempty"`
	Description strictyaml.Raw            `json:"Description,omitempty"`
	Metadata    strictyaml.Raw            `json:"Metadata,omitempty"`
	Parameters  strictyaml.Raw            `json:"Parameters,omitempty"`
	Mappings    strictyaml.Raw            `json:"Mappings,omitempty"`
	Conditions  strictyaml.Raw            `json:"Conditions,omitempty"`
	Outputs     strictyaml.Raw            `json:"Outputs,omitempty"`
	Globals     strictyaml.Raw            `json:"Globals,omitempty"`
	Resources   map[string]strictyaml.Raw `json:"Resources"`
}

// funService has the properties of an Aliyun::Serverless::Service.
type funService struct {
	Description    strictyaml.Raw `json:"Description,omitempty"`
	Role           strictyaml.Raw `json:"Role,omitempty"`
	Policies       strictyaml.Raw `json:"Policies,omitempty"`
	InternetAccess strictyaml.Raw `json:"InternetAccess,omitempty"`
	VpcConfig      strictyaml.Raw `json:"VpcConfig,omitempty"`
	LogConfig      strictyaml.Raw `json:"LogConfig,omitempty"`
	NasConfig      strictyaml.Raw `json:"NasConfig,omitempty"`
	OSSMountConfig strictyaml.Raw `json:"OssMountConfig,omitempty"`
	TracingConfig  strictyaml.Raw `json:"TracingConfig,omitempty"`
	Tags           strictyaml.Raw `json:"Tags,omitempty"`
}

// funFunction is an Aliyun::Serverless::Function.
type funFunction struct {
	Type       string                    `json:"Type"`
	Properties funProperties             `json:"Properties"`
	Events     map[string]strictyaml.Raw `json:"Events,omitempty"`
	DependsOn  strictyaml.Raw            `json:"DependsOn,omitempty"`
}

type funProperties struct {
	Handler               string                     `json:"Handler,omitempty"`
	Initializer           string                     `json:"Initializer,omitempty"`
	Runtime               string                     `json:"Runtime"`
	CodeURI               string                     `json:"CodeUri,omitempty"`
	Description           string                     `json:"Description,omitempty"`
	Timeout               int                        `json:"Timeout,omitempty"`
	InitializationTimeout int                        `json:"InitializationTimeout,omitempty"`
	EnvironmentVariables  map[string]strictyaml.Text `json:"EnvironmentVariables,omitempty"`
	MemorySize            int                        `json:"MemorySize,omitempty"`
	CAPort                int                        `json:"CAPort,omitempty"`
	InstanceConcurrency   int                        `json:"InstanceConcurrency,omitempty"`
	Container             *funContainer              `json:"CustomContainerConfig,omitempty"`
	Lifecycle             funLifecycle               `json:"InstanceLifecycleConfig,omitempty"`
	InstanceType          strictyaml.Raw             `json:"InstanceType,omitempty"`
	Async                 strictyaml.Raw             `json:"AsyncConfiguration,omitempty"`
	Layers                strictyaml.Raw             `json:"Layers,omitempty"`
	CustomDNS             strictyaml.Raw             `json:"CustomDNS,omitempty"`
	GPUMemorySize         strictyaml.Raw             `json:"GpuMemorySize,omitempty"`
}

type funContainer struct {
	Image             strictyaml.Raw `json:"Image"`
	Command           string         `json:"Command,omitempty"`
	Args              string         `json:"Args,omitempty"`
	InstanceID        string         `json:"InstanceID,omitempty"`
	AccelerationType  strictyaml.Raw `json:"AccelerationType,omitempty"`
	AccelerationType2 strictyaml.Raw `json:"accelerationType,omitempty"` // as fun's schema has it
	WebServerMode     strictyaml.Raw `json:"WebServerMode,omitempty"`
}

type funLifecycle struct {
	PreFreeze *funHook `json:"PreFreeze,omitempty"`
	PreStop   *funHook `json:"PreStop,omitempty"`
}

type funHook struct {
	Handler string `json:"Handler"`
	Timeout int    `json:"Timeout,omitempty"`
}

const (
	serviceType  = "Aliyun::Serverless::Service"
	functionType = "Aliyun::Serverless::Function"
)

// serverless are the types of resources that fun knows.
var serverless = []string{
	serviceType, functionType, "Aliyun::Serverless::Api", "Aliyun::Serverless::CustomDomain", "Aliyun::Serverless::Flow",
	"Aliyun::Serverless::Log", "Aliyun::Serverless::MNSTopic", "Aliyun::Serverless::TableStore",
}

// fun reads a template.yaml.
func (r *reader) fun(kind strictyaml.Kind, data []byte) {
	var t funTemplate
	var ok bool
	if r.Report, ok = strictyaml.Decode(kind, r.source, data, &t); !ok {
		return
	}
	for _, name := range inOrder(t.Resources) {
		r.funResource(name, t.Resources[name])
	}
	if len(r.functions) == 0 && r.Err() == nil {
		r.Add("/Resources", "there is no function in it", "add a resource of the type "+serviceType+" with a function of the type "+functionType+" in it")
	}
}

func (r *reader) funResource(name string, v strictyaml.Raw) {
	var res map[string]strictyaml.Raw
	if r.Read(v, &res); !r.Has(v.Path()) {
		return
	}
	switch r.funType(res["Type"], v.Path()) {
	case serviceType:
	case functionType:
		r.Add(v.Path(), "the function "+strictyaml.Quote(name)+" is in no service", "move it into a resource of the type "+serviceType)
		return
	default:
		return
	}
	var service funService
	r.Read(res["Properties"], &service)
	for _, key := range inOrder(res) {
		if key != "Type" && key != "Properties" && key != "DependsOn" && key != "Metadata" {
			r.funFunction(name, key, service, res[key])
		}
	}
}

// funType reads the type of a resource. Those of ROS are its own business.
func (r *reader) funType(v strictyaml.Raw, around string) string {
	if v.Node == nil {
		r.Add(around, "Type is missing", "add `Type: …` here")
		return ""
	}
	var t string
	if r.Read(v, &t); !r.Has(v.Path()) || strings.HasPrefix(t, "ALIYUN::") || strings.HasPrefix(t, "DATASOURCE::") {
		return ""
	}
	return r.choice(v.Path(), t, serverless)
}

func (r *reader) funFunction(service, name string, of funService, v strictyaml.Raw) {
	var in funFunction
	if r.Read(v, &in); !r.Has(v.Path()) {
		return
	}
	if r.Has(v.Path()+"/Type") && in.Type != functionType {
		r.Add(v.Path()+"/Type", "Type is "+strictyaml.Quote(in.Type), "what is in a service is of the type "+functionType)
		return
	}
	p, at := in.Properties, v.Path()+"/Properties"
	f := Function{
		Name:        name,
		Service:     service,
		Runtime:     r.runtime(at+"/Runtime", p.Runtime),
		Handler:     p.Handler,
		Code:        p.CodeURI,
		Port:        r.port(at+"/CAPort", p.CAPort),
		Memory:      r.whole(at+"/MemorySize", p.MemorySize, 1, 128),
		Disk:        512,
		GPU:         gpu(p.InstanceType),
		Timeout:     r.seconds(at+"/Timeout", p.Timeout, 1, 3),
		Concurrency: r.whole(at+"/InstanceConcurrency", p.InstanceConcurrency, 1, 1),
		Environment: r.environment(at+"/EnvironmentVariables", p.EnvironmentVariables),
		Role:        of.Role.Text(),
		Policies:    policies(of.Policies),
		Description: p.Description,
		PreFreeze:   r.funHook(p.Lifecycle.PreFreeze, at+"/InstanceLifecycleConfig/PreFreeze"),
		PreStop:     r.funHook(p.Lifecycle.PreStop, at+"/InstanceLifecycleConfig/PreStop"),
		Line:        r.Line(v.Path()),
	}
	if p.Initializer != "" {
		f.Initializer = Hook{Set: true, Handler: p.Initializer, Timeout: r.seconds(at+"/InitializationTimeout", p.InitializationTimeout, 1, 3)}
	}
	for _, w := range []struct{ field, key string }{
		{"Runtime", "Runtime"}, {"Handler", "Handler"}, {"Code", "CodeUri"}, {"Port", "CAPort"}, {"Memory", "MemorySize"},
		{"Timeout", "Timeout"}, {"Concurrency", "InstanceConcurrency"}, {"Environment", "EnvironmentVariables"},
		{"Initializer", "Initializer"}, {"InitializationTimeout", "InitializationTimeout"},
		{"PreFreeze", "InstanceLifecycleConfig/PreFreeze"}, {"PreStop", "InstanceLifecycleConfig/PreStop"},
		{"Image", "CustomContainerConfig/Image"}, {"Entrypoint", "CustomContainerConfig/Command"}, {"Command", "CustomContainerConfig/Args"},
	} {
		r.line(&f, w.field, at+"/"+w.key)
	}
	image := r.funContainer(&f, p.Container, at)
	f.setLog(of.LogConfig)
	f.Others = others(of, p, p.Container)
	for _, event := range inOrder(in.Events) {
		if t, ok := r.funTrigger(event, in.Events[event]); ok {
			f.Triggers = append(f.Triggers, t)
		}
	}
	r.add(f, v.Path(), image)
}

// funContainer reads the image, where the function has one, and else asks for
// the code.
func (r *reader) funContainer(f *Function, c *funContainer, at string) strictyaml.Raw {
	if f.Runtime != CustomContainer {
		known := r.Has(at) && slices.Contains(runtimes, f.Runtime)
		if known && !r.Written(at+"/CodeUri") {
			r.Add(at, "CodeUri is missing", "add the folder of the code here, such as `CodeUri: ./code`")
		}
		if known && !r.Written(at+"/Handler") {
			r.Add(at, "Handler is missing", "add `Handler: index.handler` here; the runtime custom only passes it on")
		}
		return strictyaml.Raw{}
	}
	if c == nil {
		if !r.Written(at + "/CustomContainerConfig") {
			r.Add(at, "CustomContainerConfig is missing", "add it, with the Image, since the Runtime is "+CustomContainer)
		}
		return strictyaml.Raw{}
	}
	at += "/CustomContainerConfig"
	f.Code, f.InstanceID = "", c.InstanceID
	f.Image = r.image(c.Image)
	f.Entrypoint = r.words(at+"/Command", c.Command)
	f.Command = r.words(at+"/Args", c.Args)
	return c.Image
}

// image reads a reference and what it is made of.
func (r *reader) image(v strictyaml.Raw) (image string) {
	if r.Read(v, &image); r.Has(v.Path()) && v.Node != nil && strings.TrimSpace(image) == "" {
		r.Add(v.Path(), r.Last(v.Path())+" is empty", "write the image, such as registry.cn-hangzhou.aliyuncs.com/your-namespace/hello:1.0")
	}
	return image
}

func (r *reader) funHook(h *funHook, at string) Hook {
	if h == nil {
		return Hook{}
	}
	return Hook{Set: true, Handler: h.Handler, Timeout: r.seconds(at+"/Timeout", h.Timeout, 1, 30)}
}
