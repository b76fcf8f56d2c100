package address

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// regions are Alibaba Cloud's, as its help centre's page "Regions and zones"
// names them. A host in a region that is not here can be given by --registry.
var regions = []string{
	"ap-northeast-1", "ap-northeast-2",
	"ap-southeast-1", "ap-southeast-3", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"cn-beijing", "cn-beijing-finance-1", "cn-chengdu", "cn-fuzhou", "cn-guangzhou", "cn-hangzhou", "cn-hangzhou-finance",
	"cn-heyuan", "cn-hongkong", "cn-huhehaote", "cn-nanjing", "cn-north-2-gov-1", "cn-qingdao",
	"cn-shanghai", "cn-shanghai-finance-1", "cn-shenzhen", "cn-shenzhen-finance-1",
	"cn-wuhan-lr", "cn-wulanchabu", "cn-zhangjiakou", "cn-zhengzhou-jva",
	"eu-central-1", "eu-west-1",
	"me-central-1", "me-east-1",
	"na-south-1",
	"us-east-1", "us-southeast-1", "us-west-1",
}

// Regions returns the names of the known regions, sorted.
func Regions() []string { return slices.Clone(regions) }

// CheckRegion says what is wrong with a region's name, or nil. A name that is
// not known is an error even where it is well formed: a request to a host that
// does not exist says much less, and --registry takes any host.
func CheckRegion(name string) error {
	if slices.Contains(regions, name) {
		return nil
	}
	if near := nearest(name); near != "" {
		return fmt.Errorf("unknown region %q; did you mean %s?", shown(name), near)
	}
	return fmt.Errorf("unknown region %q; the known ones are %s; for any other, name its host with --registry", shown(name), strings.Join(regions, ", "))
}

// nearest returns the region that name was most likely meant to be: at most a
// third of its letters differ.
func nearest(name string) string {
	name = strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(strings.TrimSpace(name)))
	if len(name) > 64 {
		return ""
	}
	for _, r := range regions {
		// "hangzhou" for "cn-hangzhou"
		if _, city, _ := strings.Cut(r, "-"); city == name || r == name {
			return r
		}
	}
	distance := func(r string) int { return levenshtein.ComputeDistance(name, r) }
	best := slices.MinFunc(regions, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(best) > 3 || distance(best)*3 > len(best) {
		return ""
	}
	return best
}
