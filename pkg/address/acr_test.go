package address_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgbuild/imgbuild/pkg/address"
)

func TestParseACR(t *testing.T) {
	for host, want := range map[string]address.ACR{
		"registry.cn-hangzhou.aliyuncs.com":                      {Edition: address.PersonalOld, Region: "cn-hangzhou"},
		"registry-vpc.cn-hangzhou.aliyuncs.com":                  {Edition: address.PersonalOld, Region: "cn-hangzhou", Network: "vpc"},
		"registry-internal.cn-hangzhou.aliyuncs.com":             {Edition: address.PersonalOld, Region: "cn-hangzhou", Network: "internal"},
		"registry-intl.ap-southeast-1.aliyuncs.com":              {Edition: address.PersonalOld, Region: "ap-southeast-1", Intl: true},
		"registry-intl-vpc.ap-southeast-1.aliyuncs.com":          {Edition: address.PersonalOld, Region: "ap-southeast-1", Intl: true, Network: "vpc"},
		"crpi-0a1b2c3d.cn-shanghai.personal.cr.aliyuncs.com":     {Edition: address.Personal, Region: "cn-shanghai", Instance: "crpi-0a1b2c3d"},
		"crpi-0a1b2c3d-vpc.cn-shanghai.personal.cr.aliyuncs.com": {Edition: address.Personal, Region: "cn-shanghai", Instance: "crpi-0a1b2c3d", Network: "vpc"},
		"my-team-registry.cn-beijing.cr.aliyuncs.com":            {Edition: address.Enterprise, Region: "cn-beijing", Instance: "my-team"},
		"my-team-registry-vpc.cn-beijing.cr.aliyuncs.com":        {Edition: address.Enterprise, Region: "cn-beijing", Instance: "my-team", Network: "vpc"},
		"registry-registry.cn-beijing.cr.aliyuncs.com":           {Edition: address.Enterprise, Region: "cn-beijing", Instance: "registry"},
	} {
		got, ok := address.ParseACR(host)
		if !ok || got != want {
			t.Errorf("ParseACR(%q) = %+v, %v; want %+v", host, got, ok, want)
		}
		if got.Host() != host {
			t.Errorf("ParseACR(%q).Host() = %q", host, got.Host())
		}
	}
	for _, host := range []string{
		"registry.example.com", "aliyuncs.com", "cn-hangzhou.cr.aliyuncs.com", "crpi-.cn-hangzhou.personal.cr.aliyuncs.com",
		"registry.cn-hangzhou.aliyuncs.com.example.com", "registry.cn-hangzhou.aliyuncs.com:5000",
	} {
		if got, ok := address.ParseACR(host); ok {
			t.Errorf("ParseACR(%q) = %+v; want it refused", host, got)
		}
	}
}

func TestRegistries(t *testing.T) {
	for name, tc := range map[string]struct {
		in   address.Regional
		want []address.Registry
		err  string
	}{
		"old": {
			in: address.Regional{Regions: []string{"cn-hangzhou", "cn-shanghai"}, Namespace: "base"},
			want: []address.Registry{
				{Host: "registry.cn-hangzhou.aliyuncs.com", Namespace: "base", Region: "cn-hangzhou"},
				{Host: "registry.cn-shanghai.aliyuncs.com", Namespace: "base", Region: "cn-shanghai"},
			},
		},
		"personal": {
			in:   address.Regional{Regions: []string{"cn-hangzhou"}, Namespace: "base", Instances: []string{"crpi-abc"}, VPCRefs: true},
			want: []address.Registry{{Host: "crpi-abc.cn-hangzhou.personal.cr.aliyuncs.com", Reference: "crpi-abc-vpc.cn-hangzhou.personal.cr.aliyuncs.com", Namespace: "base", Region: "cn-hangzhou"}},
		},
		"enterprise": {
			in:   address.Regional{Regions: []string{"cn-hangzhou"}, Namespace: "base", Instances: []string{"team"}, VPCRefs: true},
			want: []address.Registry{{Host: "team-registry.cn-hangzhou.cr.aliyuncs.com", Reference: "team-registry-vpc.cn-hangzhou.cr.aliyuncs.com", Namespace: "base", Region: "cn-hangzhou"}},
		},
		"typo":          {in: address.Regional{Regions: []string{"cn-hangzou"}, Namespace: "base"}, err: "did you mean cn-hangzhou?"},
		"city":          {in: address.Regional{Regions: []string{"shanghai"}, Namespace: "base"}, err: "did you mean cn-shanghai?"},
		"unknown":       {in: address.Regional{Regions: []string{"mars-central-9"}, Namespace: "base"}, err: "the known ones are"},
		"twice":         {in: address.Regional{Regions: []string{"cn-hangzhou", "cn-hangzhou"}, Namespace: "base"}, err: "twice"},
		"no namespace":  {in: address.Regional{Regions: []string{"cn-hangzhou"}}, err: "--namespace"},
		"bad namespace": {in: address.Regional{Regions: []string{"cn-hangzhou"}, Namespace: "Base"}, err: "lower case"},
		"instance ID":   {in: address.Regional{Regions: []string{"cn-hangzhou"}, Namespace: "base", Instances: []string{"cri-abc"}}, err: "instance's ID"},
		"instance host": {in: address.Regional{Regions: []string{"cn-hangzhou"}, Namespace: "base", Instances: []string{"a.b"}}, err: "not an instance's name"},
		"instances":     {in: address.Regional{Regions: []string{"cn-hangzhou", "cn-beijing", "cn-chengdu"}, Namespace: "base", Instances: []string{"a", "b"}}, err: "2 instances for 3 regions"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.in.Registries()
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("error %v; want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRegionsAreTheirOwnNearest(t *testing.T) {
	for _, r := range address.Regions() {
		if err := address.CheckRegion(r); err != nil {
			t.Error(err)
		}
		// One letter lost must lead back to a known region.
		if err := address.CheckRegion(r[:len(r)-1]); err != nil && !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s without its last letter: %v", r, err)
		}
	}
}
