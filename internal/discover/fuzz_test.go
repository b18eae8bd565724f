package discover

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// FuzzDraft has what users write become a survey, and sees that whatever it is, the
// draft is a good configuration, and what is said stays in its line.
func FuzzDraft(f *testing.F) {
	f.Add("0 0 * * * root aws ecr get-login-password --region us-east-1 --profile ci\n", `{"auths":{"111122223333.dkr.ecr.us-east-1.amazonaws.com":{}},"credsStore":"ecr-login"}`,
		"[profile ci]\nrole_arn=arn:aws:iam::111122223333:role/x\n", "us-east-1")
	f.Add("R=eu-west-1\nfor a in 1 2; do aws ecr-public get-login-password | docker login public.ecr.aws; done", `{"credHelpers":{"111122223333.dkr.ecr-fips.us-east-1.amazonaws.com":"ecr-login","ecr-public.aws.com":"x"}}`,
		"[true]\nregion=eu-west-1\n[1e3]\nsso_account_id=111122223333", "")
	f.Add("@daily root x=`aws ecr get-login`;docker login 111122223333.dkr-ecr.eu-west-1.on.aws", `{"auths":{"111122223333.dkr-ecr.eu-west-1.on.aws":{},"111122223333.dkr.ecr.us-gov-west-1.amazonaws.com":{}}}`, "[default]", "x")
	f.Fuzz(func(t *testing.T, text, dockerConfig, profiles, region string) {
		root := t.TempDir()
		write(t, root, "etc/passwd", "ci:x:"+strconv.Itoa(os.Getuid())+":1::/home/ci:/bin/sh\n")
		write(t, root, "etc/crontab", text)
		write(t, root, "home/ci/.bashrc", text)
		write(t, root, "etc/systemd/system/x.service", "[Service]\nExecStart="+text)
		write(t, root, "home/ci/.docker/config.json", dockerConfig)
		write(t, root, "home/ci/.ecr/cache.json", dockerConfig)
		write(t, root, "home/ci/.aws/config", profiles)
		for _, own := range []bool{false, true} {
			env := map[string]string{"AWS_REGION": region, "AWS_PROFILE": region, "HOME": "/home/ci"}
			h, err := look(t.Context(), Options{Root: root, Getenv: func(key string) string { return env[key] }, UID: os.Getuid(), Own: own})
			if err != nil {
				t.Fatal(err)
			}
			d := draftOf(t, h)
			for _, line := range printed(d) {
				if strings.ContainsFunc(line, unicode.IsControl) {
					t.Errorf("%q would leave its line", line)
				}
			}
		}
	})
}

// printed are the lines of a draft, one by one.
func printed(d Draft) []string {
	var all []string
	for _, f := range append(d.Found, d.Unread...) {
		all = append(all, f.What, f.Text)
	}
	for _, s := range d.Next {
		all = append(append(all, s.Why), s.Commands...)
	}
	return all
}

// FuzzParsers sees that nothing that is read brings a parser down.
func FuzzParsers(f *testing.F) {
	for _, seed := range []string{"0 0 * * * root x\n", "[Service]\nExecStart=a \\\n b\n", "[profile x]\nregion = y", `{"Repositories":{"a":{}}}`, "root:x:0:0::/:/\n", "docker:x:1:a,b", "a='b' \"c\"; (d) && $e ${f:-g} \\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for n, line := range lines(text) {
			if n < 1 || n > 1+strings.Count(text, "\n") || len(line) > 3*maxText {
				t.Errorf("line %d has %d bytes", n, len(line))
			}
		}
		parseLogins(text, nil)
		parseUnit(text)
		parseProfiles(nil, "ci", text)
		registriesIn(text)
	})
}
