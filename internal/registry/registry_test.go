package registry

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const a = "111122223333"

// hosts holds one name of every kind and partition.
var hosts = []struct {
	name, host, partition string
	want                  Registry
}{
	{"aws", a + ".dkr.ecr.us-east-1.amazonaws.com", "aws", Registry{Account: a, Region: "us-east-1"}},
	{"aws dual-stack", a + ".dkr-ecr.eu-west-1.on.aws", "aws", Registry{Account: a, Region: "eu-west-1", DualStack: true}},
	{"aws FIPS", a + ".dkr.ecr-fips.us-west-2.amazonaws.com", "aws", Registry{Account: a, Region: "us-west-2", FIPS: true}},
	{"aws FIPS dual-stack", a + ".dkr-ecr-fips.us-west-2.on.aws", "aws", Registry{Account: a, Region: "us-west-2", FIPS: true, DualStack: true}},
	{"leading zeros", "000000000001.dkr.ecr.ap-southeast-7.amazonaws.com", "aws", Registry{Account: "000000000001", Region: "ap-southeast-7"}},
	{"region unheard of", a + ".dkr.ecr.mars-north-12.amazonaws.com", "aws", Registry{Account: a, Region: "mars-north-12"}},
	{"aws-cn", a + ".dkr.ecr.cn-north-1.amazonaws.com.cn", "aws-cn", Registry{Account: a, Region: "cn-north-1"}},
	{"aws-cn dual-stack", a + ".dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn", "aws-cn", Registry{Account: a, Region: "cn-northwest-1", DualStack: true}},
	{"aws-us-gov", a + ".dkr.ecr.us-gov-west-1.amazonaws.com", "aws-us-gov", Registry{Account: a, Region: "us-gov-west-1"}},
	{"aws-us-gov dual-stack", a + ".dkr-ecr.us-gov-west-1.on.aws", "aws-us-gov", Registry{Account: a, Region: "us-gov-west-1", DualStack: true}},
	{"aws-us-gov FIPS", a + ".dkr.ecr-fips.us-gov-east-1.amazonaws.com", "aws-us-gov", Registry{Account: a, Region: "us-gov-east-1", FIPS: true}},
	{"aws-us-gov FIPS dual-stack", a + ".dkr-ecr-fips.us-gov-east-1.on.aws", "aws-us-gov", Registry{Account: a, Region: "us-gov-east-1", FIPS: true, DualStack: true}},
	{"aws-iso", a + ".dkr.ecr.us-iso-east-1.c2s.ic.gov", "aws-iso", Registry{Account: a, Region: "us-iso-east-1"}},
	{"aws-iso-b", a + ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "aws-iso-b", Registry{Account: a, Region: "us-isob-east-1"}},
	{"aws-iso-e", a + ".dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "aws-iso-e", Registry{Account: a, Region: "eu-isoe-west-1"}},
	{"aws-iso-f", a + ".dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "aws-iso-f", Registry{Account: a, Region: "us-isof-south-1"}},
	{"aws-iso dual-stack", a + ".dkr-ecr.us-iso-west-1.on.aws.ic.gov", "aws-iso", Registry{Account: a, Region: "us-iso-west-1", DualStack: true}},
	{"aws-iso-b dual-stack", a + ".dkr-ecr.us-isob-east-1.on.aws.scloud", "aws-iso-b", Registry{Account: a, Region: "us-isob-east-1", DualStack: true}},
	{"aws-iso-e dual-stack", a + ".dkr-ecr.eu-isoe-west-1.on.cloud-aws.adc-e.uk", "aws-iso-e", Registry{Account: a, Region: "eu-isoe-west-1", DualStack: true}},
	{"aws-iso-f dual-stack", a + ".dkr-ecr.us-isof-south-1.on.aws.hci.ic.gov", "aws-iso-f", Registry{Account: a, Region: "us-isof-south-1", DualStack: true}},
	{"aws-eusc", a + ".dkr.ecr.eusc-de-east-1.amazonaws.eu", "aws-eusc", Registry{Account: a, Region: "eusc-de-east-1"}},
	{"aws-eusc dual-stack", a + ".dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu", "aws-eusc", Registry{Account: a, Region: "eusc-de-east-1", DualStack: true}},
	{"public", "public.ecr.aws", "", Registry{Public: true}},
	{"public dual-stack", "ecr-public.aws.com", "", Registry{Public: true, DualStack: true}},
}

func TestParseAndHostAreInverse(t *testing.T) {
	for _, tt := range hosts {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.host)
			if err != nil || got != tt.want {
				t.Errorf("Parse(%q) = %+v, %v; want %+v", tt.host, got, err, tt.want)
			}
			if got := tt.want.Host(); got != tt.host {
				t.Errorf("%+v.Host() = %q, want %q", tt.want, got, tt.host)
			}
			if tt.want.Public {
				return
			}
			if got, err := Partition(tt.want.Region); got != tt.partition || err != nil {
				t.Errorf("Partition(%q) = %q, %v; want %q", tt.want.Region, got, err, tt.partition)
			}
		})
	}
}

// lookAlikes holds names that must not be taken for a registry's.
var lookAlikes = []struct{ name, host string }{
	{"empty", ""},
	{"longer suffix", a + ".dkr.ecr.us-east-1.amazonaws.com.evil.com"},
	{"suffix glued on", a + ".dkr.ecr.us-east-1.amazonaws.community"},
	{"label before the account", "evil." + a + ".dkr.ecr.us-east-1.amazonaws.com"},
	{"text before the account", "x" + a + ".dkr.ecr.us-east-1.amazonaws.com"},
	{"trailing dot", a + ".dkr.ecr.us-east-1.amazonaws.com."},
	{"port", a + ".dkr.ecr.us-east-1.amazonaws.com:443"},
	{"scheme", "https://" + a + ".dkr.ecr.us-east-1.amazonaws.com"},
	{"path", a + ".dkr.ecr.us-east-1.amazonaws.com/app"},
	{"user", "AWS@" + a + ".dkr.ecr.us-east-1.amazonaws.com"},
	{"upper case", strings.ToUpper(a + ".dkr.ecr.us-east-1.amazonaws.com")},
	{"11 digits", "11112222333.dkr.ecr.us-east-1.amazonaws.com"},
	{"13 digits", a + "4.dkr.ecr.us-east-1.amazonaws.com"},
	{"digits of another script", "١١١١٢٢٢٢٣٣٣٣.dkr.ecr.us-east-1.amazonaws.com"},
	{"stand-in for the account", "{account}.dkr.ecr.us-east-1.amazonaws.com"},
	{"availability zone", a + ".dkr.ecr.us-east-1a.amazonaws.com"},
	{"no region", a + ".dkr.ecr.amazonaws.com"},
	{"region of two parts", a + ".dkr.ecr.us-1.amazonaws.com"},
	{"empty region", a + ".dkr.ecr..amazonaws.com"},
	{"region of another partition", a + ".dkr.ecr.cn-north-1.amazonaws.com"},
	{"partition of another region", a + ".dkr.ecr.us-east-1.amazonaws.com.cn"},
	{"IPv4 service, dual-stack suffix", a + ".dkr.ecr.us-east-1.on.aws"},
	{"dual-stack service, IPv4 suffix", a + ".dkr-ecr.us-east-1.amazonaws.com"},
	{"FIPS outside the US", a + ".dkr.ecr-fips.eu-west-1.amazonaws.com"},
	{"FIPS in China", a + ".dkr.ecr-fips.cn-north-1.amazonaws.com.cn"},
	{"FIPS in an isolated region", a + ".dkr.ecr-fips.us-iso-east-1.c2s.ic.gov"},
	{"dual-stack suffix of another isolated partition", a + ".dkr-ecr.us-iso-east-1.on.aws.scloud"},
	{"second spelling outside China", a + ".dkr.ecr.us-east-1.on.amazonwebservices.com.cn"},
	{"second spelling with FIPS", a + ".dkr.ecr-fips.cn-north-1.on.amazonwebservices.com.cn"},
	{"second spelling, longer suffix", a + ".dkr.ecr.cn-north-1.on.amazonwebservices.com.cn.evil.com"},
	{"second spelling, text before the account", "x" + a + ".dkr.ecr.cn-north-1.on.amazonwebservices.com.cn"},
	{"service glued on", a + ".dkr.ecrus-east-1.amazonaws.com"},
	{"API endpoint", "api.ecr.us-east-1.amazonaws.com"},
	{"upper case public", "Public.ecr.aws"},
	{"below public", "x.public.ecr.aws"},
}

func TestParseRefusesLookAlikes(t *testing.T) {
	for _, tt := range lookAlikes {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Parse(tt.host); err == nil || got != (Registry{}) {
				t.Errorf("Parse(%q) = %+v, %v; want an error and nothing", tt.host, got, err)
			}
		})
	}
}

func TestANameThatIsNearlyRightIsExplained(t *testing.T) {
	tests := []struct{ host, want string }{ // what comes after "not the name of an ECR registry"
		{"11112222333.dkr.ecr.us-east-1.amazonaws.com", ": an account has 12 digits, not 11"},
		{a + "4.dkr.ecr.us-east-1.amazonaws.com", ": an account has 12 digits, not 13"},
		{a + ".dkr.ecr.us-east-1a.amazonaws.com", ": us-east-1a is an availability zone; write " + a + ".dkr.ecr.us-east-1.amazonaws.com"},
		{a + ".dkr.ecr.us-1.amazonaws.com", `: "us-1" is not the name of a region, such as us-east-1`},
		{a + ".dkr.ecr.cn-north-1.amazonaws.com", ": a name with dkr.ecr in cn-north-1 ends in .amazonaws.com.cn; write " + a + ".dkr.ecr.cn-north-1.amazonaws.com.cn"},
		{a + ".dkr.ecr.us-east-1.amazonaws.com.cn", ": a name with dkr.ecr in us-east-1 ends in .amazonaws.com; write " + a + ".dkr.ecr.us-east-1.amazonaws.com"},
		{a + ".dkr.ecr.eusc-de-east-1.amazonaws.com", ": a name with dkr.ecr in eusc-de-east-1 ends in .amazonaws.eu; write " + a + ".dkr.ecr.eusc-de-east-1.amazonaws.eu"},
		{a + ".dkr.ecr.us-east-1.on.aws", ": a name with dkr.ecr in us-east-1 ends in .amazonaws.com; write " + a + ".dkr.ecr.us-east-1.amazonaws.com"},
		{a + ".dkr-ecr.us-east-1.amazonaws.com", ": a name with dkr-ecr in us-east-1 ends in .on.aws; write " + a + ".dkr-ecr.us-east-1.on.aws"},
		{a + ".dkr.ecr.us-east-1.on.amazonwebservices.com.cn", ": a name with dkr.ecr in us-east-1 ends in .amazonaws.com; write " + a + ".dkr.ecr.us-east-1.amazonaws.com"},
		{a + ".dkr.ecr-fips.eu-west-1.amazonaws.com", ": only regions of the US have FIPS names; write " + a + ".dkr.ecr.eu-west-1.amazonaws.com"},
		{a + ".dkr.ecr.us-east-1.amazonaws.com.evil.com", ", such as 111122223333.dkr.ecr.us-east-1.amazonaws.com"},
		{"ghcr.io", ", such as 111122223333.dkr.ecr.us-east-1.amazonaws.com"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.host)
		if want := fmt.Sprintf("host %q: not the name of an ECR registry", tt.host) + tt.want; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		var e *NameError
		if errors.As(err, &e) && e.Want != "" {
			if _, err := Parse(e.Want); err != nil {
				t.Errorf("what to write for %q is wrong itself: %v", tt.host, err)
			}
		}
	}
}

// Amazon's credential helper knows China's dual-stack names in both spellings.
func TestParseTakesBothSpellingsOfChinasDualStack(t *testing.T) {
	want := Registry{Account: a, Region: "cn-north-1", DualStack: true}
	if got, err := Parse(secondSpelling); err != nil || got != want {
		t.Errorf("Parse(%q) = %+v, %v; want %+v", secondSpelling, got, err, want)
	}
}

const secondSpelling = a + ".dkr.ecr.cn-north-1.on.amazonwebservices.com.cn"

func TestHostTakesAStandInForTheAccount(t *testing.T) {
	r := Registry{Account: "{account}", Region: "us-east-1"}
	if got, want := r.Host(), "{account}.dkr.ecr.us-east-1.amazonaws.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostIsEmptyWhereThereIsNoSuchName(t *testing.T) {
	tests := []struct {
		name string
		r    Registry
	}{
		{"public FIPS", Registry{Public: true, FIPS: true}},
		{"FIPS in Canada", Registry{Account: a, Region: "ca-central-1", FIPS: true}},
		{"FIPS in China", Registry{Account: a, Region: "cn-north-1", FIPS: true}},
	}
	for _, tt := range tests {
		if got := tt.r.Host(); got != "" {
			t.Errorf("%s: got %q, want none", tt.name, got)
		}
	}
}

func TestPartitionRefusesMalformedRegions(t *testing.T) {
	for _, region := range []string{"", "us", "us-east", "us-1", "us--1", "-east-1", "us-east-", "US-EAST-1", "us-east-1a",
		"us_east_1", "us-east-1 ", "us-east-1.evil", strings.Repeat("a", 40) + "-b-1"} {
		if got, err := Partition(region); err == nil {
			t.Errorf("Partition(%q) = %q, want an error", region, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range hosts {
		f.Add(tt.host)
	}
	for _, tt := range lookAlikes {
		f.Add(tt.host)
	}
	f.Add(secondSpelling)
	f.Fuzz(func(t *testing.T, host string) {
		r, err := Parse(host)
		if err != nil {
			if r != (Registry{}) {
				t.Fatalf("Parse(%q) gives %+v beside its error", host, r)
			}
			return
		}
		if strings.HasSuffix(host, chinaDualSuffix) {
			host = strings.Replace(host, ".dkr.ecr.", ".dkr-ecr.", 1)
		}
		if got := r.Host(); got != host {
			t.Fatalf("Parse(%q).Host() = %q", host, got)
		}
		if !r.Public && (!ValidAccount(r.Account) || !ValidRegion(r.Region)) {
			t.Fatalf("Parse(%q) accepted account %q, region %q", host, r.Account, r.Region)
		}
	})
}
