package survey

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// tellCommands is commands in one line: lines, region, profile, registries.
func tellCommands(all []Command) string {
	var texts []string
	for _, c := range all {
		t := fmt.Sprintf("%d-%d %q %q", c.First, c.Last, c.Region, c.Profile)
		if c.Public {
			t += " public"
		}
		for _, r := range c.Registries {
			t += " " + r.Host()
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "; ")
}

func TestParseShell(t *testing.T) {
	const one = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct {
		name, text string
		env        variables
		want       string
		alone      bool
	}{
		{"nothing", "docker pull " + one + "/app\n", nil, "", false},
		{"a comment", "# aws ecr get-login-password --region us-east-1\n", nil, "", false},
		{"a pipe", "aws ecr get-login-password --region us-east-1 | docker login --username AWS --password-stdin " + one, nil, `1-1 "us-east-1" "" ` + one, true},
		{"with a profile", "aws --profile ci ecr get-login-password --region=us-east-1 | docker login -u AWS --password-stdin https://" + one, nil, `1-1 "us-east-1" "ci" ` + one, true},
		{"by the environment of the line", "AWS_PROFILE=ci AWS_REGION='us-east-1' aws ecr get-login-password|docker login -u AWS --password-stdin " + one, nil, `1-1 "us-east-1" "ci" ` + one, true},
		{"by the environment of cron", "aws ecr get-login-password", variables{"AWS_DEFAULT_REGION": {"eu-west-1"}}, `1-1 "eu-west-1" ""`, true},
		{"without a region", "aws ecr get-login-password | docker login -u AWS --password-stdin " + one, nil, `1-1 "us-east-1" "" ` + one, true},
		{"lines that go on", "set -e\naws ecr get-login-password \\\n  --region us-east-1 |\n docker login -u AWS --password-stdin " + one + "\necho done\n", nil, `2-4 "us-east-1" "" ` + one, true},
		{"the old way", "$(aws ecr get-login --no-include-email --region eu-west-1 --registry-ids 111122223333 444455556666)", nil,
			`1-1 "eu-west-1" "" 111122223333.dkr.ecr.eu-west-1.amazonaws.com 444455556666.dkr.ecr.eu-west-1.amazonaws.com`, true},
		{"the old way with eval", "eval `aws ecr get-login --region eu-west-1`", nil, `1-1 "eu-west-1" ""`, true},
		{"a password in a variable", "PASS=$(aws ecr get-login-password --region us-east-1)\ndocker login -u AWS -p \"$PASS\" " + one + "\n", nil, `1-2 "us-east-1" "" ` + one, true},
		{"variables", "R=us-east-1; A=111122223333\nHOST=\"${A}.dkr.ecr.$R.amazonaws.com\"\naws ecr get-login-password --region $R | docker login -u AWS --password-stdin $HOST\n", nil,
			`3-3 "us-east-1" "" ` + one, true},
		{"a fallback", "aws ecr get-login-password --region ${REGION:-us-east-1}", nil, `1-1 "us-east-1" ""`, true},
		{"an account that only running tells", "A=$(aws sts get-caller-identity --query Account)\naws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin $A.dkr.ecr.us-east-1.amazonaws.com", nil,
			`2-2 "us-east-1" ""`, true},
		{"a loop", "for r in us-east-1 eu-west-1; do\n aws ecr get-login-password --region $r | docker login -u AWS --password-stdin 111122223333.dkr.ecr.$r.amazonaws.com\ndone", nil,
			`2-2 "us-east-1" "" ` + one + `; 2-2 "eu-west-1" "" 111122223333.dkr.ecr.eu-west-1.amazonaws.com`, true},
		{"a loop in one line", "for r in us-east-1; do aws ecr get-login-password --region $r; done", nil, `1-1 "us-east-1" ""`, true},
		{"ECR Public", "aws ecr-public get-login-password --region us-east-1 | docker login -u AWS --password-stdin public.ecr.aws", nil, `1-1 "us-east-1" "" public public.ecr.aws`, true},
		{"other work", "aws ecr get-login-password --region us-east-1 | docker login -u AWS --password-stdin " + one + " && docker pull " + one + "/app", nil, `1-1 "us-east-1" "" ` + one, false},
		{"a backup after it", "aws ecr get-login-password --region us-east-1\nrestic backup /srv\n", nil, `1-1 "us-east-1" ""`, false},
		{"a look-alike host", "aws ecr get-login-password | docker login --password-stdin 111122223333.dkr.ecr.us-east-1.amazonaws.com.evil.com", nil, `1-1 "" ""`, true},
		{"a region that is none", "aws ecr get-login-password --region 'x; rm -rf /'", nil, `1-1 "" ""`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, alone := parseShell(tt.text, tt.env)
			if tellCommands(got) != tt.want || alone != tt.alone {
				t.Errorf("got  %s, alone %v\nwant %s, alone %v", tellCommands(got), alone, tt.want, tt.alone)
			}
		})
	}
}

// A file in a home may be made to cost as much as it can.
func TestParseShellIsBounded(t *testing.T) {
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
				found, _ := parseShell(text, nil)
				done <- len(found)
			}()
			select {
			case n := <-done:
				if n > maxCommands+maxVariants {
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
	v.set("d", append(slices.Repeat([]string{"z"}, 1000), long+"x"))
	if n := len(v["d"]); n != maxVariants {
		t.Errorf("%d values", n)
	}
	for _, st := range statements(strings.Repeat(long, 10) + "\n" + strings.Repeat(long+"\\\n", 10)) {
		if len(st.text) > 3*maxText {
			t.Errorf("a statement of %d bytes", len(st.text))
		}
	}
}

func TestParseCrontab(t *testing.T) {
	const text = "# m h\nMAILTO=a@b\nAWS_PROFILE = \"ci\"\n\n0 */6 * * *\troot  one --flag\n@daily root two\n0 0 1 1 * root\nbroken\n5 5 * * 1-5 deploy three \\% four%input\n"
	lines, env := parseCrontab(text, true)
	want := []cronLine{{5, "root", "one --flag"}, {6, "root", "two"}, {9, "deploy", "three % four"}}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", lines, want)
	}
	if env.only("AWS_PROFILE") != "ci" {
		t.Errorf("environment %v", env)
	}
	if lines, _ := parseCrontab("0 0 * * * A=b run it\n", false); fmt.Sprint(lines) != "[{1  A=b run it}]" {
		t.Errorf("a user's: %v", lines)
	}
}

func TestParseUnit(t *testing.T) {
	got := parseUnit("[Unit]\n# c\n[Service]\nUser = ci\nExecStart=/bin/sh -c \\\n; not this\n  'x'\nUser=ci2\n")
	want := []setting{{4, "Service", "User", "ci"}, {5, "Service", "ExecStart", "/bin/sh -c  'x'"}, {8, "Service", "User", "ci2"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if v := valueOf(got, "Service", "User"); v != "ci2" {
		t.Errorf("the last one counts, not %q", v)
	}
}
