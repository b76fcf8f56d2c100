package deploy

// function is the API's Function, CreateFunctionInput and UpdateFunctionInput
// in one, with the fields that a template has. Update leaves what is left out.
type function struct {
	Name        string            `json:"functionName,omitempty"`
	Runtime     string            `json:"runtime,omitempty"`
	Handler     string            `json:"handler,omitempty"`
	Description *string           `json:"description,omitempty"`
	CPU         float64           `json:"cpu,omitempty"`
	Memory      int               `json:"memorySize,omitempty"` // MB
	Disk        int               `json:"diskSize,omitempty"`   // MB
	Timeout     int               `json:"timeout,omitempty"`    // seconds
	Concurrency int               `json:"instanceConcurrency,omitempty"`
	Environment map[string]string `json:"environmentVariables,omitzero"`
	Role        string            `json:"role,omitempty"`
	Container   *container        `json:"customContainerConfig,omitempty"`
	Lifecycle   *lifecycle        `json:"instanceLifecycleConfig,omitempty"`
	Tags        []tag             `json:"tags,omitempty"`

	// Of answers only.
	ARN              string `json:"functionArn,omitempty"`
	State            string `json:"state,omitempty"`
	StateReason      string `json:"stateReason,omitempty"`
	StateCode        string `json:"stateReasonCode,omitempty"`
	LastUpdate       string `json:"lastUpdateStatus,omitempty"`
	LastUpdateReason string `json:"lastUpdateStatusReason,omitempty"`
	LastUpdateCode   string `json:"lastUpdateStatusReasonCode,omitempty"`
}

// States of a function, and of its last update ("Function states and
// invocation for custom images").
const (
	statePending  = "Pending"
	stateActive   = "Active"
	stateFailed   = "Failed"
	stateInactive = "Inactive"

	updateInProgress = "InProgress"
	updateSuccessful = "Successful"
	updateFailed     = "Failed"
)

type container struct {
	Image        string   `json:"image,omitempty"`
	Port         int      `json:"port,omitempty"`
	Entrypoint   []string `json:"entrypoint,omitzero"`
	Command      []string `json:"command,omitzero"`
	Health       *health  `json:"healthCheckConfig,omitempty"`
	Instance     string   `json:"acrInstanceId,omitempty"`
	Acceleration string   `json:"accelerationType,omitempty"`
	// Resolved is the image by its digest, of answers only.
	Resolved string `json:"resolvedImageUri,omitempty"`
}

// health is in seconds.
type health struct {
	URL              string `json:"httpGetUrl,omitempty"`
	InitialDelay     int    `json:"initialDelaySeconds,omitempty"`
	Period           int    `json:"periodSeconds,omitempty"`
	Timeout          int    `json:"timeoutSeconds,omitempty"`
	FailureThreshold int    `json:"failureThreshold,omitempty"`
	SuccessThreshold int    `json:"successThreshold,omitempty"`
}

type lifecycle struct {
	Initializer *hook `json:"initializer,omitempty"`
	PreStop     *hook `json:"preStop,omitempty"`
}

// hook is without a handler and a command where there is none.
type hook struct {
	Handler string   `json:"handler"`
	Command []string `json:"command,omitzero"`
	Timeout int      `json:"timeout,omitempty"` // seconds
}

// tag is read in any case of its letters.
type tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

type tagResources struct {
	ResourceID   []string `json:"ResourceId"`
	ResourceType string   `json:"ResourceType"`
	Tag          []tag    `json:"Tag"`
}

// trigger is the API's Trigger, CreateTriggerInput and UpdateTriggerInput.
type trigger struct {
	Name      string `json:"triggerName,omitempty"`
	Type      string `json:"triggerType,omitempty"`
	Config    string `json:"triggerConfig,omitempty"` // JSON in a string
	Qualifier string `json:"qualifier,omitempty"`
	// Of answers only.
	HTTP *struct {
		Internet string `json:"urlInternet"`
		Intranet string `json:"urlIntranet"`
	} `json:"httpTrigger,omitempty"`
}
