package discover

import (
	"fmt"
	"testing"
)

func TestParseProfiles(t *testing.T) {
	const text = "[default]\nregion = us-east-1\naws_secret_access_key = s\n\n[profile prod]\nrole_arn=arn:aws-cn:iam::111122223333:role/x/y\nregion = nonsense\n" +
		"s3 =\n  region = eu-west-1\n[profile \"sso\"]\nsso_account_id = 444455556666\n[sso-session corp]\nregion = eu-west-1\n[profiles]\n[bad name]\nregion = eu-west-1\n[ci]\nregion=eu-north-1"
	want := []profile{{name: "default", user: "u", region: "us-east-1"}, {name: "prod", user: "u", account: "111122223333"}, {name: "sso", user: "u", account: "444455556666"},
		{name: "profiles", user: "u"}, {name: "ci", user: "u", region: "eu-north-1"}}
	if got := parseProfiles(nil, "u", text); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestHostOf(t *testing.T) {
	const host = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct {
		name, key string
		want      string
	}{
		{"bare", host, host},
		{"an address", "https://" + host + "/v2/", host},
		{"in capitals", "111122223333.dkr.ecr.US-EAST-1.amazonaws.com", host},
		{"public", "public.ecr.aws", "public.ecr.aws"},
		{"an image", host + "/team/app", host},
		{"Docker Hub", "https://index.docker.io/v1/", ""},
		{"a look-alike", host + ".evil.com", ""},
		{"with a password", "https://user:secret@" + host, ""},
		{"a port", host + ":443", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if r, ok := hostOf(tt.key); ok {
				got = r.Host()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRegistriesIn(t *testing.T) {
	tests := map[string]string{
		`{"Registries":{"a":{"ProxyEndpoint":"https://111122223333.dkr.ecr.us-east-1.amazonaws.com"},"b":null}}`:                                     "[111122223333.dkr.ecr.us-east-1.amazonaws.com]",
		`{"111122223333.dkr.ecr.us-east-1.amazonaws.com/a":{},"111122223333.dkr.ecr.us-east-1.amazonaws.com/b":{},"public.ecr.aws/x":{},"alpine":1}`: "[111122223333.dkr.ecr.us-east-1.amazonaws.com public.ecr.aws]",
		"9111122223333.dkr.ecr.us-east-1.amazonaws.com": "[]",
		"111122223333.dkr.ecr.us-east-1.amazonaws.com.": "[111122223333.dkr.ecr.us-east-1.amazonaws.com]",
	}
	for text, want := range tests {
		var hosts []string
		for _, r := range registriesIn(text) {
			hosts = append(hosts, r.Host())
		}
		if fmt.Sprint(hosts) != want {
			t.Errorf("%s: %v", text, hosts)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{"~ci/a é\u00a0'x'\\": "~ci/a é\u00a0'x'\\", "a\x1b[2J\n": `a\x1b[2J\n`, "a\xffb": `a\xffb`, "\u202eb": `\u202eb`} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}
