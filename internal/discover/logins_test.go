package discover

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// tellLogins is logins in one line: line, region, profile, registries.
func tellLogins(all []login) string {
	var texts []string
	for _, c := range all {
		t := fmt.Sprintf("%d %q %q", c.line, c.region, c.profile)
		for _, r := range c.registries {
			t += " " + r.Host()
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "; ")
}

func TestParseLogins(t *testing.T) {
	const one = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct {
		name, text string
		env        variables
		want       string
	}{
		{"nothing", "docker pull " + one + "/app\n", nil, ""},
		{"a comment", "# aws ecr get-login-password --region us-east-1\n", nil, ""},
		{"a pipe", "aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin " + one, nil, `1 "us-east-1" "" ` + one},
		{"with a profile", "aws --profile ci ecr get-login-password --region=us-east-1 | docker login -u AWS --password-stdin https://" + one, nil, `1 "us-east-1" "ci" ` + one},
		{"by the environment of the line", "AWS_PROFILE=ci AWS_REGION='us-east-1' aws ecr get-login-password|docker login -u AWS --password-stdin " + one, nil, `1 "us-east-1" "ci" ` + one},
		{"by the environment of cron", "aws ecr get-login-password", variables{"AWS_DEFAULT_REGION": {"eu-west-1"}}, `1 "eu-west-1" ""`},
		{"without a region", "aws ecr get-login-password | docker login -u AWS --password-stdin " + one, nil, `1 "" "" ` + one},
		{"lines that go on", "set -e\naws ecr get-login-password \\\n  --region us-east-1 |\n docker login -u AWS --password-stdin " + one + "\necho done\n", nil, `2 "us-east-1" "" ` + one},
		{"the old way", "$(aws ecr get-login --no-include-email --region eu-west-1 --registry-ids 111122223333 444455556666)", nil,
			`1 "eu-west-1" "" 111122223333.dkr.ecr.eu-west-1.amazonaws.com 444455556666.dkr.ecr.eu-west-1.amazonaws.com`},
		{"the old way with eval", "eval `aws ecr get-login --region eu-west-1`", nil, `1 "eu-west-1" ""`},
		{"a password in a variable", "PASS=$(aws ecr get-login-password --region us-east-1)\ndocker login -u AWS -p \"$PASS\" " + one + "\n", nil, `1 "us-east-1" "" ` + one},
		{"variables", "R=us-east-1; A=111122223333\nHOST=\"${A}.dkr.ecr.$R.amazonaws.com\"\naws ecr get-login-password --region $R | docker login -u AWS --password-stdin $HOST\n", nil,
			`3 "us-east-1" "" ` + one},
		{"a fallback", "aws ecr get-login-password --region ${REGION:-us-east-1}", nil, `1 "us-east-1" ""`},
		{"an account that only running tells", "A=$(aws sts get-caller-identity --query Account)\naws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin $A.dkr.ecr.us-east-1.amazonaws.com", nil,
			`2 "us-east-1" ""`},
		{"a loop", "for r in us-east-1 eu-west-1; do\n aws ecr get-login-password --region $r | docker login -u AWS --password-stdin 111122223333.dkr.ecr.$r.amazonaws.com\ndone", nil,
			`2 "us-east-1" "" ` + one + `; 2 "eu-west-1" "" 111122223333.dkr.ecr.eu-west-1.amazonaws.com`},
		{"a loop in one line", "for r in us-east-1; do aws ecr get-login-password --region $r; done", nil, `1 "us-east-1" ""`},
		{"ECR Public", "aws ecr-public get-login-password --region us-east-1 | docker login -u AWS --password-stdin public.ecr.aws", nil, `1 "us-east-1" "" public.ecr.aws`},
		{"other work", "aws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin " + one + " && docker pull " + one + "/app", nil, `1 "us-east-1" "" ` + one},
		{"a backup after it", "aws ecr get-login-password --region us-east-1\nrestic backup /srv\n", nil, `1 "us-east-1" ""`},
		{"a look-alike host", "aws ecr get-login-password | docker login --password-stdin 111122223333.dkr.ecr.us-east-1.amazonaws.com.evil.com", nil, `1 "" ""`},
		{"a region that is none", "aws ecr get-login-password --region 'x; rm -rf /'", nil, `1 "" ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := parseLogins(tt.text, tt.env)
			if tellLogins(got) != tt.want {
				t.Errorf("got  %s\nwant %s", tellLogins(got), tt.want)
			}
		})
	}
}

// A file in a home may be made to cost as much as it can.
func TestParseLoginsIsBounded(t *testing.T) {
	texts := map[string]string{
		"variables in variables": "a=" + strings.Repeat("x", 900) + "\n" + strings.Repeat("a=$a$a$a$a$a$a$a$a\naws ecr get-login-password $a$a$a$a\n", 20000),
		"loops in loops":         "for a in " + strings.Repeat("1 ", 500) + "; do\nfor b in " + strings.Repeat("$a ", 300) + "; do\n" + strings.Repeat("aws ecr get-login-password $a $b $a\n", 20000),
		"one long line":          strings.Repeat("aws ecr get-login-password --region us-east-1 ", 20000),
		"a line without an end":  strings.Repeat("aws ecr get-login-password \\\n", 20000),
		"brackets":               strings.Repeat("(", maxFile),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			done := make(chan int, 1)
			go func() {
				found := parseLogins(text, nil)
				done <- len(found)
			}()
			select {
			case n := <-done:
				if n > maxLogins+maxVariants {
					t.Errorf("%d commands", n)
				}
			case <-time.After(time.Minute):
				t.Fatal("it takes without end")
			}
		})
	}
}

func TestVariablesAreBounded(t *testing.T) {
	long := strings.Repeat("x", maxText)
	v := variables{"a": {long}, "b": strings.Fields(strings.Repeat("y ", maxVariants))}
	for _, text := range []string{strings.Repeat("$a", 1000), "$b $b $a", "$a$b"} {
		got := v.expand(text)
		if len(got) > maxVariants {
			t.Errorf("%.20q has %d variants", text, len(got))
		}
		for _, g := range got {
			if len(g) > len(text)+3*maxText {
				t.Errorf("%.20q becomes %d bytes", text, len(g))
			}
		}
	}
	v["c"] = v["b"]
	if n := len(v.expand("$b$c")); n != maxVariants {
		t.Errorf("%d variants of two variables", n)
	}
	v.assign("for d in " + strings.Repeat("z ", 400))
	if n := len(v["d"]); n != maxVariants {
		t.Errorf("%d values", n)
	}
	for _, line := range lines(strings.Repeat(long, 10) + "\n" + strings.Repeat(long+"\\\n", 10)) {
		if len(line) > 3*maxText {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

func TestCrontabs(t *testing.T) {
	const get = "aws ecr get-login-password"
	tests := []struct{ name, text, user, want string }{
		{"of the system", "# m h\nMAILTO=a@b\nAWS_PROFILE = \"ci\"\n\n0 */6 * * *\troot  " + get + "\n@daily root " + get + "\n0 0 1 1 * root\nbroken " + get + "\n", "", "5 root ci; 6 root ci"},
		{"of a user", "0 0 * * * " + get + "\n@hourly " + get + " --profile p\n", "ci", "1 ci ; 2 ci p"},
		{"without a user", "0 0 * * * " + get + "\n", "", "1 aws "},
		{"of a name that is none", "0 0 * * * a;b " + get + "\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, _ := newHost(t, os.Getuid())
			write(t, root, "tab", tt.text)
			h := &host{Options: Options{Root: root}, counts: map[string]int{}}
			h.system().crontab("/tab", tt.user)
			var got []string
			for _, j := range h.jobs {
				got = append(got, fmt.Sprintf("%d %s %s", j.at.line, j.user, j.logins[0].profile))
			}
			if strings.Join(got, "; ") != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestParseUnit(t *testing.T) {
	got := parseUnit("[Unit]\n# c\n[Service]\nUser = ci\nExecStart=/bin/sh -c \\\n; not this\n  'x'\nUser=ci2\n")
	want := []setting{{4, "User", "ci"}, {5, "ExecStart", "/bin/sh -c   'x'"}, {8, "User", "ci2"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if v := valueOf(got, "User"); v != "ci2" {
		t.Errorf("the last one counts, not %q", v)
	}
}
