package address

import (
	"errors"
	"fmt"
	"strings"

	"github.com/imgbuild/imgbuild/internal/lazyregexp"
)

// Edition is a kind of Container Registry (ACR).
type Edition string

// The editions, by the form of their hosts.
const (
	PersonalOld Edition = "personal"        // registry[-intl][-vpc|-internal].<region>.aliyuncs.com
	Personal    Edition = "personal (crpi)" // crpi-<id>[-vpc].<region>.personal.cr.aliyuncs.com
	Enterprise  Edition = "enterprise"      // <instance>-registry[-vpc].<region>.cr.aliyuncs.com
)

// ACR is a host of Alibaba Cloud's Container Registry, taken apart.
type ACR struct {
	Edition  Edition
	Region   string
	Instance string // crpi-<id> or the enterprise instance's name; empty for PersonalOld
	Intl     bool   // PersonalOld: the international site's host
	Network  string // "", "vpc", or "internal" (PersonalOld only)
}

var (
	oldHost        = lazyregexp.New(`^registry(-intl)?(?:-(vpc|internal))?\.([a-z0-9-]+)\.aliyuncs\.com$`)
	personalHost   = lazyregexp.New(`^(crpi-[a-z0-9]+)(?:-(vpc))?\.([a-z0-9-]+)\.personal\.cr\.aliyuncs\.com$`)
	enterpriseHost = lazyregexp.New(`^([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)-registry(?:-(vpc))?\.([a-z0-9-]+)\.cr\.aliyuncs\.com$`)
)

// ParseACR takes a host of any of the three forms apart; ok is false for every
// other host.
func ParseACR(host string) (a ACR, ok bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	if m := oldHost().FindStringSubmatch(host); m != nil {
		return ACR{Edition: PersonalOld, Intl: m[1] != "", Network: m[2], Region: m[3]}, true
	}
	if m := personalHost().FindStringSubmatch(host); m != nil {
		return ACR{Edition: Personal, Instance: m[1], Network: m[2], Region: m[3]}, true
	}
	if m := enterpriseHost().FindStringSubmatch(host); m != nil {
		return ACR{Edition: Enterprise, Instance: m[1], Network: m[2], Region: m[3]}, true
	}
	return ACR{}, false
}

// Host is the host in its canonical form.
func (a ACR) Host() string {
	network := ""
	if a.Network != "" {
		network = "-" + a.Network
	}
	switch a.Edition {
	case Personal:
		return a.Instance + network + "." + a.Region + ".personal.cr.aliyuncs.com"
	case Enterprise:
		return a.Instance + "-registry" + network + "." + a.Region + ".cr.aliyuncs.com"
	default:
		intl := ""
		if a.Intl {
			intl = "-intl"
		}
		return "registry" + intl + network + "." + a.Region + ".aliyuncs.com"
	}
}

// VPC is the same registry as functions of its region reach it.
func (a ACR) VPC() ACR { a.Network = "vpc"; return a }

// Public is the same registry as the internet reaches it.
func (a ACR) Public() ACR { a.Network = ""; return a }

// Regional is --region, --namespace, --instance and --vpc-refs.
type Regional struct {
	Regions   []string
	Namespace string
	// Instances is empty for the personal edition's old hosts, one name for
	// all regions, or one for each. A name is "crpi-<id>" (personal) or the
	// name of an enterprise instance.
	Instances []string
	VPCRefs   bool // print the VPC host in references; pushes go to the public one
}

// Registries returns a registry for each region, in their order.
func (r Regional) Registries() ([]Registry, error) {
	if len(r.Regions) == 0 {
		return nil, errors.New("no region; add --region, such as --region cn-hangzhou")
	}
	if r.Namespace == "" {
		return nil, errors.New("--region needs --namespace: the namespace in Container Registry that the images belong in")
	}
	if err := checkPath(r.Namespace); err != nil {
		return nil, fmt.Errorf("--namespace %q: %w", r.Namespace, err)
	}
	if n := len(r.Instances); n > 1 && n != len(r.Regions) {
		return nil, fmt.Errorf("--instance names %d instances for %d regions; give one for all, or one for each in the same order", n, len(r.Regions))
	}
	seen := map[string]bool{}
	var out []Registry
	for i, region := range r.Regions {
		if err := CheckRegion(region); err != nil {
			return nil, err
		}
		if seen[region] {
			return nil, fmt.Errorf("--region names %s twice", region)
		}
		seen[region] = true
		a, err := r.acr(i)
		if err != nil {
			return nil, err
		}
		to := Registry{Host: a.Host(), Namespace: r.Namespace, Region: region}
		if r.VPCRefs {
			to.Reference = a.VPC().Host()
		}
		out = append(out, to)
	}
	return out, nil
}

func (r Regional) acr(i int) (ACR, error) {
	a := ACR{Edition: PersonalOld, Region: r.Regions[i]}
	if len(r.Instances) == 0 {
		return a, nil
	}
	a.Instance = r.Instances[i%len(r.Instances)]
	switch {
	case strings.HasPrefix(a.Instance, "cri-"):
		return ACR{}, fmt.Errorf("--instance %q is an instance's ID; hosts are made from its name: what stands before -registry in the instance's address", a.Instance)
	case strings.HasPrefix(a.Instance, "crpi-"):
		a.Edition = Personal
	default:
		a.Edition = Enterprise
	}
	if got, ok := ParseACR(a.Host()); !ok || got != a {
		return ACR{}, fmt.Errorf("--instance %q is not an instance's name; give crpi-<id> (personal edition) or the enterprise instance's name, without a host", a.Instance)
	}
	return a, nil
}
