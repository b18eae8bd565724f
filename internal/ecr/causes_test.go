package ecr

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// TestTheCauseIsNamedNotGuessed has small inputs that people really had, each with what
// keeps the attempt from succeeding.
func TestTheCauseIsNamedNotGuessed(t *testing.T) {
	const mark, profile = "\ufeff", "[profile ci]\naws_access_key_id=AKIA1\naws_secret_access_key=" + canary + "\n"
	utf16 := func(s string) string {
		out := "\xff\xfe"
		for _, c := range []byte(s) {
			out += string([]byte{c, 0})
		}
		return out
	}
	role := "[profile ci]\nrole_arn=" + firstRole + "\nweb_identity_token_file=NOWHERE\n"
	tests := []struct {
		name        string
		environment map[string]string // DIR is the directory of the files
		config      string            // ~/.aws/config
		credentials string            // ~/.aws/credentials
		file        string            // DIR/file
		profile     string            // aws.profile
		reason      fault.Reason
		text, hint  []string // parts
	}{
		{name: "web identity without a role", environment: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/file"}, file: "jwt",
			reason: fault.Credentials, text: []string{"AWS_ROLE_ARN is not set"}, hint: []string{"set AWS_ROLE_ARN"}},
		{name: "an empty CA bundle", environment: map[string]string{"AWS_CA_BUNDLE": "DIR/file", "AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary},
			reason: fault.Local, text: []string{"AWS_CA_BUNDLE", "DIR/file", "no certificate"}, hint: []string{"unset AWS_CA_BUNDLE"}},
		{name: "a CA bundle that is something else", environment: map[string]string{"AWS_CA_BUNDLE": "DIR/file", "AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary},
			file: "not PEM", reason: fault.Local, text: []string{"no certificate"}},
		{name: "a byte order mark in credentials", credentials: mark + "[default]\naws_access_key_id=AKIA1\naws_secret_access_key=" + canary + "\n",
			reason: fault.Credentials, text: []string{"DIR/credentials", "byte order mark"}, hint: []string{"sed -i"}},
		{name: "a byte order mark in config", config: mark + profile, profile: "ci", reason: fault.Credentials, text: []string{"DIR/config", "byte order mark"}},
		{name: "UTF-16", config: utf16(profile), profile: "ci", reason: fault.Credentials, text: []string{"DIR/config", "UTF-16"}, hint: []string{"iconv"}},
		{name: "a key id with a newline", environment: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1\n", "AWS_SECRET_ACCESS_KEY": canary},
			reason: fault.Credentials, text: []string{"access key id from the environment (AWS_ACCESS_KEY_ID) ends with"}, hint: []string{"access key id there again"}},
		{name: "a secret with a carriage return", environment: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary + "\r"},
			reason: fault.Credentials, text: []string{"secret access key from the environment (AWS_ACCESS_KEY_ID) ends with"}},
		{name: "a token that begins with a blank", environment: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": " " + canary},
			reason: fault.Credentials, text: []string{"session token from the environment (AWS_ACCESS_KEY_ID) begins with"}},
		{name: "quotation marks", environment: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": `"` + canary + `"`},
			reason: fault.Credentials, text: []string{"secret access key from the environment (AWS_ACCESS_KEY_ID) has quotation marks"}},
		{name: "a key with a blank in it", environment: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary + " " + canary},
			reason: fault.Credentials, text: []string{"secret access key", "in it"}},
		{name: "a bare section", config: "[ci]\naws_access_key_id=AKIA1\naws_secret_access_key=" + canary + "\n", profile: "ci",
			reason: fault.Credentials, text: []string{`there is no profile "ci"`}, hint: []string{"[profile ci] instead of [ci]"}},
		{name: "a bare section, by AWS_PROFILE", environment: map[string]string{"AWS_PROFILE": "root"}, config: "[root]\nregion=us-east-1\n",
			reason: fault.Credentials, text: []string{`there is no profile "root"`}, hint: []string{"[profile root]"}},
		{name: "an SSO session, by AWS_PROFILE", environment: map[string]string{"AWS_PROFILE": "s"},
			config: "[profile s]\nsso_session=x\nsso_account_id=111122223333\nsso_role_name=r\n[sso-session x]\nsso_region=us-east-1\nsso_start_url=https://127.0.0.1:1/\n",
			reason: fault.Credentials, text: []string{`profile "s" (AWS_PROFILE)`}, hint: []string{"aws sso login --profile s"}},
		{name: "an endpoint of the environment", environment: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary},
			reason: fault.Network, text: []string{"refused"}, hint: []string{`check the environment variable AWS_ENDPOINT_URL, "http://127.0.0.1:1"`}},
		{name: "an endpoint of ECR alone", environment: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:2", "AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": canary},
			reason: fault.Network, hint: []string{"AWS_ENDPOINT_URL_ECR"}},
		{name: "a web identity of a profile that is not there", config: role, profile: "ci", reason: fault.Credentials, text: []string{"DIR/nothing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := isolate(t)
			there := func(s string) string {
				return strings.ReplaceAll(strings.ReplaceAll(s, "DIR", dir), "NOWHERE", filepath.Join(dir, "nothing"))
			}
			for name, value := range tt.environment {
				t.Setenv(name, there(value))
			}
			for name, text := range map[string]string{"config": tt.config, "credentials": tt.credentials, "file": tt.file} {
				if text != "" || name == "file" {
					write(t, filepath.Join(dir, name), there(text))
				}
			}
			err := failFetch(t, newSource(t, login.Identity{Profile: tt.profile}, Options{Timeout: 5 * time.Second}))
			if err.Reason != tt.reason {
				t.Errorf("reason %s, want %s", err.Reason, tt.reason)
			}
			for _, part := range tt.text {
				if !strings.Contains(err.Error(), there(part)) {
					t.Errorf("%v; want %q", err, there(part))
				}
			}
			for _, part := range tt.hint {
				if !strings.Contains(err.Hint, there(part)) {
					t.Errorf("hint %q; want %q", err.Hint, there(part))
				}
			}
			if text := err.Error() + err.Hint; strings.Contains(text, canary) || strings.Contains(text, "attach a role") {
				t.Errorf("got %s", text)
			}
		})
	}
}

// TestWhatIsAwaitedIsNamed: a source that does not answer is not blamed on STS.
func TestWhatIsAwaitedIsNamed(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	url := "http://" + silent.Addr().String()
	tests := []struct {
		name        string
		environment map[string]string
		config      string
		want, hint  string
	}{
		{"container", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url + "/c"}, "", "from the container credentials endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI)", "NO_PROXY"},
		{"web identity", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "FILE", "AWS_ROLE_ARN": firstRole, "AWS_ENDPOINT_URL_STS": url}, "",
			"from STS, for the token of AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_STS"},
		{"credential_process", nil, "[default]\ncredential_process=sleep 60\n", "credential_process", "by hand"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := isolate(t)
			file := filepath.Join(dir, "jwt")
			write(t, file, "token")
			write(t, filepath.Join(dir, "config"), tt.config)
			for name, value := range tt.environment {
				t.Setenv(name, strings.ReplaceAll(value, "FILE", file))
			}
			err := failFetch(t, newSource(t, login.Identity{STSEndpointURL: ""}, Options{Timeout: 200 * time.Millisecond}))
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Hint, tt.hint) || strings.Contains(err.Hint, "aws.sts_endpoint_url") {
				t.Errorf("%v (%s); want %q and %q", err, err.Hint, tt.want, tt.hint)
			}
		})
	}
}

func TestUnusableProxies(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		t.Setenv(name, "")
	}
	good := []string{"http://proxy:3128", "https://u:p@proxy:3128", "socks5://proxy", "proxy:3128", "10.0.0.1:3128"}
	bad := []string{"http://proxy:port", "proxy:31 28", "http://", "http://pro xy:3128", "://proxy"}
	for _, value := range append(slices.Clone(good), bad...) {
		t.Setenv("HTTPS_PROXY", value)
		if got, want := UnusableProxies(), slices.Contains(bad, value); (len(got) == 1 && got[0] == "HTTPS_PROXY") != want {
			t.Errorf("%q: got %q, want it unusable: %t", value, got, want)
		}
	}
}

func TestAnEndpointsPasswordIsInNoText(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	for _, endpoint := range []string{"http://user:hunter2@127.0.0.1:1", "http://127.0.0.1:1/?key=hunter2", "http://user:hunter2@127.0.0.1:port"} {
		t.Setenv("AWS_ENDPOINT_URL", endpoint)
		if err := failFetch(t, New(login.Identity{}, "us-east-1", false, Options{})); strings.Contains(err.Error()+err.Hint, "hunter2") {
			t.Errorf("%v (%s)", err, err.Hint)
		}
	}
}
