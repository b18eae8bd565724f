package survey

import (
	"fmt"
	"testing"
)

func TestParseProfiles(t *testing.T) {
	const text = "[default]\nregion = us-east-1\naws_secret_access_key = s\n\n[profile prod]\nrole_arn=arn:aws-cn:iam::111122223333:role/x/y\nregion = nonsense\n" +
		"s3 =\n  region = eu-west-1\n[profile \"sso\"]\nsso_account_id = 444455556666\n[sso-session corp]\nregion = eu-west-1\n[profiles]\n[bad name]\nregion = eu-west-1\n[ci]\nregion=eu-north-1"
	want := []Profile{{Name: "default", Region: "us-east-1"}, {Name: "prod", Account: "111122223333"}, {Name: "sso", Account: "444455556666"},
		{Name: "profiles"}, {Name: "ci", Region: "eu-north-1"}}
	if got := parseProfiles(text); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestParsePasswd(t *testing.T) {
	const text = "root:x:0:0:root:/root:/bin/sh\nbad;name:x:1:1::/:/\nshort:x:1\nneg:x:-1:0::/:/\n+nis::::::\nci:x:1001:998:CI,,,:/home/ci:/bin/bash"
	got := parsePasswd(text)
	want := []Account{{Name: "root", Home: "/root"}, {Name: "ci", Home: "/home/ci", uid: 1001, gid: 998}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseGroup(t *testing.T) {
	tests := []struct {
		name, text string
		gid        int
		members    string
	}{
		{"none", "dockers:x:1:a\n", -1, "[]"},
		{"without members", "docker:x:998:\n", 998, "[]"},
		{"with members", "root:x:0:\ndocker:x:998:a,b\n", 998, "[a b]"},
		{"malformed", "docker:x:a:b\n", -1, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if gid, members := parseGroup(tt.text, "docker"); gid != tt.gid || fmt.Sprint(members) != tt.members {
				t.Errorf("got %d, %v", gid, members)
			}
		})
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

func TestParseContext(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // its host; empty for none
	}{
		{"ssh", `{"Name":"remote","Endpoints":{"docker":{"Host":"ssh://ci@build2"}}}`, "ssh://ci@build2"},
		{"a password", `{"Name":"remote","Endpoints":{"docker":{"Host":"ssh://ci:secret@build2"}}}`, "ssh://build2"},
		{"a query", `{"Name":"remote","Endpoints":{"docker":{"Host":"tcp://build2:2376?secret"}}}`, "tcp://build2:2376"},
		{"another scheme", `{"Name":"remote","Endpoints":{"docker":{"Host":"https://build2"}}}`, ""},
		{"no engine", `{"Name":"remote","Endpoints":{}}`, ""},
		{"null", `{"Name":"remote","Endpoints":{"docker":null}}`, ""},
		{"a name for terminals", `{"Name":"\u001b[2J","Endpoints":{"docker":{"Host":"ssh://a"}}}`, ""},
		{"not JSON", `{`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if e, _ := parseContext([]byte(tt.text)); e.Host != tt.want {
				t.Errorf("got %q, want %q", e.Host, tt.want)
			}
		})
	}
}

func TestParseCacheAndImages(t *testing.T) {
	cache := parseCache([]byte(`{"Registries":{"a":{"ProxyEndpoint":"https://111122223333.dkr.ecr.us-east-1.amazonaws.com"},"b":null,"c":{"ProxyEndpoint":"x"}}}`))
	images := parseImages([]byte(`{"Repositories":{"111122223333.dkr.ecr.us-east-1.amazonaws.com/a":{},"111122223333.dkr.ecr.us-east-1.amazonaws.com/b":{},"public.ecr.aws/x":{},"alpine":{}}}`))
	for name, got := range map[string]int{"cache": len(cache), "images": len(images)} {
		if got != 1 {
			t.Errorf("%s: %d registries, want 1", name, got)
		}
	}
}
