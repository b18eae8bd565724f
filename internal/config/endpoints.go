package config

import (
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// checkEndpoints refuses what the AWS SDK refuses: an endpoint of one's own
// together with the choice of a FIPS or dual-stack one.
func (x entry) checkEndpoints() {
	for _, url := range []struct{ key, is string }{{"endpoint_url", x.aws.id.EndpointURL}, {"sts_endpoint_url", x.aws.id.STSEndpointURL}} {
		for _, choice := range []struct {
			key string
			is  bool
		}{{"fips", x.aws.id.FIPS}, {"dual_stack", x.aws.id.DualStack}} {
			if url.is != "" && choice.is {
				x.aws.at[url.key].report("does not go with %s (line %d), as the AWS SDK takes one or the other; remove one of the two",
					choice.key, x.aws.at[choice.key].node.Line)
			}
		}
	}
}

// checkRoles sees that the roles are of the region's partition.
func (x entry) checkRoles(at value, region string) {
	want, err := registry.Partition(region)
	if err != nil {
		return // reported as a malformed region
	}
	for _, role := range x.aws.id.RoleARNs {
		if got := strings.Split(role, ":")[1]; got != want {
			at.report("%s is in the partition %s, and the role %q (line %d) is in %s; write an aws block with a role of %s in this entry",
				region, want, role, x.aws.at["role_arn"].node.Line, got, want)
		}
	}
}

// checkVariants sees that the region has the FIPS host names that the identity
// asks for; dual-stack ones are everywhere.
func (x entry) checkVariants(region item, variants []registry.Registry) bool {
	asked := slices.ContainsFunc(variants, func(v registry.Registry) bool { return v.FIPS })
	if !asked || (registry.Registry{Region: region.text, FIPS: true}).Host() != "" {
		return true
	}
	region.at.report("%s has no FIPS endpoint, and fips is true (line %d); write aws: {fips: false} in this entry",
		region.text, x.aws.at["fips"].node.Line)
	return false
}
