package check

import (
	"slices"

	"github.com/imgbuild/imgbuild/pkg/template"
)

// Rule is one demand.
type Rule struct {
	Name string
	Doc  string // what holds where it is kept
}

// The rules about images, in the order in which they are reported.
var (
	rulePlatform   = Rule{"platform", "the image is for linux/amd64, which is all that Function Compute runs"}
	ruleMediaTypes = Rule{"media-types", "the layers are packed in one way, which Function Compute can accelerate"}
	ruleSize       = Rule{"size", "the image has less than 10 GB unpacked, or 15 GB for a function with a GPU"}
	ruleProgram    = Rule{"program", "the image starts something"}
	ruleShim       = Rule{"shim", "an image that has imgbuild's shim starts it"}
	ruleReady      = Rule{"ready", "the container listens on its port within 120 seconds"}
	ruleHost       = Rule{"host", "it listens for calls from outside the container, and not on 127.0.0.1 alone"}
	ruleHTTP       = Rule{"http", "an HTTP trigger's request is answered"}
	ruleInvoke     = Rule{"invoke", "POST /invoke, an event, is answered"}
	ruleStatus     = Rule{"error-status", "an event that fails is answered with x-fc-status: 404"}
	ruleKeepAlive  = Rule{"keep-alive", "a connection stays open between calls"}
	ruleHooks      = Rule{"hooks", "the calls of an instance's life are answered with 200 or 404"}
	ruleLog        = Rule{"log-lines", "the log of each call begins and ends with the platform's lines, once"}
	ruleSignals    = Rule{"signals", "SIGTERM ends the container"}
	ruleConform    = Rule{"conformance", "the shim of a base image keeps every rule of its own suite"}
)

// unstarted are the rules that need no container, dynamic those that do.
var (
	unstarted = []Rule{rulePlatform, ruleMediaTypes, ruleSize, ruleProgram, ruleShim}
	dynamic   = []Rule{ruleReady, ruleHost, ruleHTTP, ruleInvoke, ruleStatus, ruleKeepAlive, ruleHooks, ruleLog, ruleSignals}
)

// ofTemplate begins the names of the rules about templates.
const ofTemplate = "template/"

// Rules are all rules, those about templates last.
func Rules() []Rule {
	rules := append(slices.Concat(unstarted, dynamic), ruleConform)
	for _, name := range sortedKeys(template.Rules) {
		rules = append(rules, Rule{ofTemplate + name, template.Rules[name]})
	}
	return rules
}
