package fc

import "time"

// Range is what a number may be, both ends included.
type Range struct{ Min, Max int }

// Has says whether n is in the range.
func (r Range) Has(n int) bool { return r.Min <= n && n <= r.Max }

// What a function may be configured with. The numbers are those of the
// schema of Serverless Devs' component fc3 and of the pages "Instance types and
// usage modes" and "Configure instance lifecycles".
var (
	Memory      = Range{128, 32768} // MB, in steps of MemoryStep
	Timeout     = Range{1, 86400}   // s, of one invocation
	Concurrency = Range{1, MaxConcurrency}

	InitializerTimeout = Range{1, 300} // s
	PreStopTimeout     = Range{1, 90}  // s, and of pre-freeze

	HealthInitialDelay = Range{0, 120} // s
	HealthPeriod       = Range{1, 120} // s
	HealthTimeout      = Range{1, 3}   // s
	HealthThreshold    = Range{1, 120} // of failures, and of successes
)

// More of what a function may be configured with.
const (
	MemoryStep = 64 // MB

	MinCPU  = 0.05 // cores, in steps of as many
	MaxCPU  = 16
	CPUStep = 0.05
	// A core comes with one to four GB of memory.
	MinMemoryPerCPU = 1024 // MB
	MaxMemoryPerCPU = 4096 // MB

	SmallDisk = 512   // MB; the only sizes there are
	LargeDisk = 10240 // MB

	MaxEnvironmentBytes = 4 << 10 // names and values of all variables
	MaxNameBytes        = 64      // of a function's name
)

// ReadyTime is how long a container may take until it listens.
const ReadyTime = 120 * time.Second

// PullPolicy is the system policy that lets a role of Function Compute 2.0 pull
// images from Container Registry.
const PullPolicy = "AliyunContainerRegistryReadOnlyAccess"
