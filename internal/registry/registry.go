// Package registry knows the host names of Amazon ECR: it takes them apart and
// builds them, for every AWS partition, IPv4 and dual-stack, FIPS and not, and
// for ECR Public. It resolves no API endpoints (the AWS SDK does) and knows
// nothing of further names that a site gives its registries.
package registry

import (
	"fmt"
	"slices"
	"strings"
)

// The two names of ECR Public.
const (
	publicHost          = "public.ecr.aws"
	publicHostDualStack = "ecr-public.aws.com"
)

const chinaDualSuffix = "on.amazonwebservices.com.cn"

// Registry is what a host name says. Account is 12 digits in what Parse
// returns; Host takes it as it is, so it may hold a stand-in for digits that
// are not known yet. A public registry has neither account nor region.
type Registry struct {
	Account, Region         string
	FIPS, DualStack, Public bool
}

// partition is one part of AWS that shares nothing with the others. A region
// belongs to it by the beginning of its name.
type partition struct {
	name         string
	regionPrefix string
	suffix       string // of IPv4 host names
	dualSuffix   string // of dual-stack host names
	fipsPrefix   string // the regions with FIPS host names; empty where there are none
}

// partitions is in order of search: the last one takes every other region, as
// new regions nearly always belong to it.
var partitions = [...]partition{
	{"aws-cn", "cn-", "amazonaws.com.cn", chinaDualSuffix, ""},
	{"aws-us-gov", "us-gov-", "amazonaws.com", "on.aws", "us-gov-"},
	{"aws-iso", "us-iso-", "c2s.ic.gov", "on.aws.ic.gov", ""},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "on.aws.scloud", ""},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "on.cloud-aws.adc-e.uk", ""},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "on.aws.hci.ic.gov", ""},
	{"aws-eusc", "eusc-", "amazonaws.eu", "on.amazonwebservices.eu", ""},
	{"aws", "", "amazonaws.com", "on.aws", "us-"},
}

func partitionOf(region string) partition {
	last := len(partitions) - 1
	for _, p := range partitions[:last] {
		if strings.HasPrefix(region, p.regionPrefix) {
			return p
		}
	}
	return partitions[last]
}

// Partition names the partition of a region, as it stands in an ARN: "aws",
// "aws-cn" and so on. A region it has not heard of is judged by the beginning
// of its name; only a malformed one is an error.
func Partition(region string) (string, error) {
	if !ValidRegion(region) {
		return "", fmt.Errorf("region %q: not the name of an AWS region, such as us-east-1", region)
	}
	return partitionOf(region).name, nil
}

// ValidAccount reports whether s is an AWS account number: 12 digits.
func ValidAccount(s string) bool { return len(s) == 12 && all(s, digit) }

// ValidRegion reports whether s has the form of an AWS region: three or more
// parts joined by hyphens, letters first and a number last. Whether there is
// such a region it cannot know.
func ValidRegion(s string) bool {
	parts := strings.Split(s, "-")
	last := len(parts) - 1
	// 32 is far beyond any region and keeps the host name's labels within DNS.
	if last < 2 || len(s) > 32 || !all(parts[0], letter) || !all(parts[last], digit) {
		return false
	}
	for _, p := range parts[1:last] {
		if !all(p, func(c byte) bool { return letter(c) || digit(c) }) {
			return false
		}
	}
	return true
}

// Host returns the host name, or "" where there is none: FIPS outside the US and
// for ECR Public.
func (r Registry) Host() string {
	if r.Public {
		switch {
		case r.FIPS:
			return ""
		case r.DualStack:
			return publicHostDualStack
		}
		return publicHost
	}
	p := partitionOf(r.Region)
	service, suffix := "dkr.ecr", p.suffix
	if r.DualStack {
		service, suffix = "dkr-ecr", p.dualSuffix
	}
	if r.FIPS {
		if p.fipsPrefix == "" || !strings.HasPrefix(r.Region, p.fipsPrefix) {
			return ""
		}
		service += "-fips"
	}
	return r.Account + "." + service + "." + r.Region + "." + suffix
}

// NameError is why a name is not that of an ECR registry. It holds nothing but the name.
type NameError struct {
	Host string
	Why  string // what is wrong with a name that is nearly one; otherwise empty
	Want string // the right name, where that is known
}

func (e *NameError) Error() string {
	text := fmt.Sprintf("host %q: not the name of an ECR registry", e.Host)
	if e.Why == "" {
		return text + ", such as 111122223333.dkr.ecr.us-east-1.amazonaws.com"
	}
	text += ": " + e.Why
	if e.Want != "" {
		text += "; write " + e.Want
	}
	return text
}

// Parse takes the host name of an ECR registry apart. It wants the name
// exactly: lower case, no scheme, port, path or trailing dot. A name that only
// looks like one is a *NameError. What it accepts, Host returns unchanged, save for a
// second spelling of China's dual-stack names, with dkr.ecr, that Amazon's own
// credential helper accepts as well.
func Parse(host string) (Registry, error) {
	switch host {
	case publicHost:
		return Registry{Public: true}, nil
	case publicHostDualStack:
		return Registry{Public: true, DualStack: true}, nil
	}
	given := host
	if head, ok := strings.CutSuffix(host, "."+chinaDualSuffix); ok {
		host = strings.Replace(head, ".dkr.ecr.", ".dkr-ecr.", 1) + "." + chinaDualSuffix
	}
	account, rest, _ := strings.Cut(host, ".")
	r := Registry{Account: account}
	if dualRest, ok := strings.CutPrefix(rest, "dkr-ecr"); ok {
		r.DualStack, rest = true, dualRest
	} else {
		rest, ok = strings.CutPrefix(rest, "dkr.ecr")
		if !ok {
			return Registry{}, notOurs(given)
		}
	}
	rest, r.FIPS = strings.CutPrefix(rest, "-fips")
	rest, ok := strings.CutPrefix(rest, ".")
	r.Region, _, _ = strings.Cut(rest, ".")
	if !ok || !ValidAccount(account) || !ValidRegion(r.Region) || r.Host() != host {
		return Registry{}, notOurs(given)
	}
	return r, nil
}

// notOurs says what is wrong with a name, if it is nearly right: one that has been typed,
// or put together from an account and a region by rules that do not hold everywhere.
func notOurs(host string) *NameError {
	e := &NameError{Host: host}
	account, rest, _ := strings.Cut(host, ".")
	service, dual := strings.CutPrefix(rest, "dkr-ecr")
	if !dual {
		service, _ = strings.CutPrefix(rest, "dkr.ecr")
	}
	service, fips := strings.CutPrefix(service, "-fips")
	region, suffix, _ := strings.Cut(strings.TrimPrefix(service, "."), ".")
	known := slices.ContainsFunc(partitions[:], func(p partition) bool { return suffix == p.suffix || suffix == p.dualSuffix })
	if service == rest || !strings.HasPrefix(service, ".") || !all(account, digit) || !known {
		return e // not even nearly, or a domain of somebody else
	}
	r := Registry{Account: account, Region: region, FIPS: fips, DualStack: dual}
	base := strings.TrimRight(region, "abcdefghijklmnopqrstuvwxyz")
	switch {
	case !ValidAccount(account):
		e.Why = fmt.Sprintf("an account has 12 digits, not %d", len(account))
	case base != region && ValidRegion(base):
		r.Region = base
		e.Why, e.Want = region+" is an availability zone", r.Host()
	case !ValidRegion(region):
		e.Why = fmt.Sprintf("%q is not the name of a region, such as us-east-1", region)
	case fips && r.Host() == "":
		r.FIPS = false
		e.Why, e.Want = "only regions of the US have FIPS names", r.Host()
	default:
		e.Want = r.Host()
		_, suffix, _ := strings.Cut(e.Want, region)
		service, _, _ := strings.Cut(rest, "."+region)
		e.Why = fmt.Sprintf("a name with %s in %s ends in %s", service, region, suffix)
	}
	return e
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return s != ""
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return 'a' <= c && c <= 'z' }
