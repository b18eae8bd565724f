package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What lies just on either side of a rule.
func TestEdges(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	const role = "arn:aws:iam::111122223333:role/r"
	const mfa = "aws: {mfa: {serial: arn:aws:iam::111122223333:mfa/ci, code_command: [code]}}\n"
	var hosts, regions strings.Builder
	for i := range maxHosts {
		fmt.Fprintf(&hosts, "h%d.x,", i)
	}
	for range maxProblems + 1 {
		regions.WriteString("  - region: X\n")
	}
	label := x(60) + "."
	tests := []struct {
		name, text string
		problems   int
		want       string // in one of them
	}{
		{"a text of 100 characters is shown", "registries: [{region: " + x(100) + "}]", 1, `"` + x(100) + `" is not`},
		{"one of 101 is shortened", "registries: [{region: " + x(101) + "}]", 1, `"` + x(100) + `…" is not`},
		{"what a kind reports is shortened", smallest + "\ntargets: [{type: engine, host: 'tcp://a:1', context: " + x(101) + "}]", 1, x(100) + `…" and host`},
		{"an entry without a device", mfa + "registries: [{region: us-east-1, aws: {mfa: {serial: ''}}}]", 0, ""},
		{"an entry with half a device", mfa + "registries: [{region: us-east-1, aws: {mfa: {code_command: [x]}}}]", 1, "has one of serial and code_command"},
		{"pauses that are equal", smallest + "\nrefresh: {backoff: {initial: 2s, max: 2s}}", 0, ""},
		{"a wrong pause is not compared", smallest + "\nrefresh: {backoff: {initial: 2h, max: 500ms}}", 1, "is out of range"},
		{"a wrong share is not compared", smallest + "\nrefresh: {at: 5%, jitter: 60%}", 1, "is out of range"},
		{"shares are compared whatever else is wrong", smallest + "\nrefresh: {at: 20%, jitter: 20%, timeout: 1}", 2, "is not below refresh.at"},
		{"an external id for the role of an entry", "aws: {external_id: abc}\nregistries: [{region: us-east-1, aws: {role_arn: '" + role + "'}}]", 0, ""},
		{"an empty external id without a role", "registries: [{region: us-east-1, aws: {external_id: ''}}]", 0, ""},
		{"one account asked for in two ways", "registries: [{region: us-east-1}, {region: us-east-1, aws: {fips: true}}]", 1, "is also asked for"},
		{"hosts count", "registries: [{region: us-east-1, hosts: [" + hosts.String() + "]}]", 1, "makes more than 10000 host names"},
		{"a name of 242 bytes", "registries: [{region: us-east-1, hosts: [" + strings.Repeat(label, 3) + x(59) + "]}]", 0, ""},
		{"one of 303", "registries: [{region: us-east-1, hosts: [" + strings.Repeat(label, 4) + x(59) + "]}]", 1, "is not a host name"},
		{"one problem more than are shown", "registries:\n" + regions.String(), maxProblems + 1, "and 1 more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse("c.yaml", []byte(tt.text))
			var ps Problems
			errors.As(err, &ps)
			if len(ps) != tt.problems || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %d with …%s…", err, tt.problems, tt.want)
			}
		})
	}
}

func TestDefaultsBehindWhatIsWritten(t *testing.T) {
	c, err := parse("c.yaml", []byte(`registries: [{region: us-east-1, targets: [engine, engine]}]
aws: {role_arn: 'arn:aws:iam::111122223333:role/r', session_name: ''}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Grants[0].Identity.SessionName; got != defaultSession {
		t.Errorf("an empty session_name is %q", got)
	}
	if got := c.Grants[0].Hosts[0].Targets; len(got) != 1 {
		t.Errorf("a target that is named twice is %q", got)
	}
}

func TestFormWithoutARuleMayBeEmpty(t *testing.T) {
	if why, write := (Text{}).OrEmpty().Fault("x"); why+write != "" {
		t.Errorf("%s; write %s", why, write)
	}
}
