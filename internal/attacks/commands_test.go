package attacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ecr-refreshd/internal/login"
)

// saying is what a command prints, and how it ends. {} is a secret argument of
// it in some encoding, {honest} what it should print, {new} a secret that it makes up.
type saying struct {
	name, out, err string
	code           int
}

var sayings = []saying{
	{"on standard error, failing", "", "no token for {}\n", 1},
	{"on standard error, and well", "{honest}", "debug: used {}\n", 0},
	{"on standard output", "{} is wrong\n", "", 0},
	{"on standard output, failing", "{honest}", "", 7},
	{"its answer on standard error", "", "{honest}", 1},
	{"its answer on standard error, too", "{honest}", "{honest}\n{}", 0},
	{"answer that is cut off", `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"{new}","SessionToken":"{new}`, "", 0},
	{"answer of another version", `{"Version":2,"AccessKeyId":"A","SecretAccessKey":"{new}","SessionToken":"{new}"}`, "", 0},
	{"answer of wrong types", `{"Version":"{new}","AccessKeyId":["{new}"],"SecretAccessKey":"{new}","Expiration":"{new}"}`, "", 0},
	{"answer without a key", `{"Version":1,"SecretAccessKey":"{new}","SessionToken":"{new}"}`, "", 0},
	{"answer whose end is none", `{"Version":1,"AccessKeyId":"A","SecretAccessKey":"{new}","Expiration":"{new}"}`, "", 0},
	{"another code", "391828 {new}\n", "", 0},
	{"escape sequences", "", "\x1b]0;{}\x07\x1b[31m{}\r\n", 1},
	{"much", "", strings.Repeat("x", 100<<10) + "{}\n", 1},
	{"many lines", "", strings.Repeat("line\n", 100<<10) + "{}\n", 1},
}

// commandRoads are the roads with a command of the administrator's.
var commandRoads = []struct {
	name   string
	honest string
	road   func(program []string) road
}{
	{"credential_process", `{"Version":1,"AccessKeyId":"ASIAPROCESS","SecretAccessKey":"{new}","SessionToken":"{new}","Expiration":"2036-01-01T00:00:00Z"}`, processRoad},
	{"mfa.code_command", code, mfaRoad},
}

func processRoad(program []string) road {
	return road{name: "credential_process", lay: func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, ".aws/config", "[profile ci]\ncredential_process = "+strings.Join(program, " ")+"\n")
		return nil, login.Identity{Profile: "ci"}
	}}
}

func mfaRoad(program []string) road {
	return road{name: "mfa.code_command", lay: func(c *cloud, home string) (map[string]string, login.Identity) {
		return c.keys(), login.Identity{MFASerial: "arn:aws:iam::111122223333:mfa/me", MFACommand: program}
	}}
}

// TestNoEchoOfACommandIsShown: what a command of the administrator's prints may
// hold all that it was given and found.
func TestNoEchoOfACommandIsShown(t *testing.T) {
	needPrograms(t)
	for _, command := range commandRoads {
		t.Run(command.name, func(t *testing.T) {
			report := newReport()
			for i, s := range sayings {
				for j, e := range encodings {
					if j > 0 && leftOut(i+j, 9) {
						continue
					}
					c := newCloud(t)
					argument := c.secret("argument", 40)
					dir := t.TempDir()
					fill := func(where, text string) string {
						text = strings.NewReplacer("{honest}", command.honest, "{}", e.encode(argument)).Replace(text)
						for strings.Contains(text, "{new}") {
							text = strings.Replace(text, "{new}", c.secret(where, 60), 1)
						}
						return text
					}
					write(dir, "out", fill("output", s.out))
					write(dir, "err", fill("standard error", s.err))
					write(dir, "command", fmt.Sprintf("cat %[1]s/out; cat %[1]s/err >&2; exit %[2]d", dir, s.code))
					site := command.road([]string{"/bin/sh", filepath.Join(dir, "command"), "--token=" + argument}).site(t, c)
					verb, run := "once", site.once
					if (i+j)%2 == 1 {
						verb, run = "run", site.run
					}
					o := run()
					o.sound(t, verb+", "+s.name)
					if _, err := os.Stat(filepath.Join(dir, "out")); err != nil {
						t.Fatal(err)
					}
					if strings.ContainsAny(o.said, "\x1b\x07") {
						t.Errorf("%s, %s: escape sequences are shown", verb, s.name)
					}
					if len(o.said) > 64<<10 {
						t.Errorf("%s, %s: %d bytes are shown", verb, s.name, len(o.said))
					}
					report.add(verb+", "+s.name, e.name, c.ledger.search(o.said))
				}
			}
			report.fail(t)
		})
	}
}
