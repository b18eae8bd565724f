package passwordfile

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

const (
	hostA = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	hostB = "444455556666.dkr.ecr.eu-west-1.amazonaws.com"
)

var expires = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// passwordOf is of the form and length of a token.
func passwordOf(word string) string { return strings.Repeat(word+"+/", 40) + "=" }

func loginFor(host, word string) login.Login {
	return login.Token{Username: user, Secret: login.NewSecret(passwordOf(word)), ExpiresAt: expires}.For(host)
}

func contentWith(t *testing.T, f format, content string, logins ...login.Login) string {
	t.Helper()
	got, err := f.with([]byte(content), logins)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestFormats(t *testing.T) {
	pw := passwordOf("one")
	basic := loginFor(hostA, "one").Basic().Reveal()
	tests := []struct {
		name, format, path string
		want               string
	}{
		{"password", "password", "/f", pw},
		{"basic", "basic", "/f", basic},
		{"dockerconfigjson", "dockerconfigjson", "/f",
			"{\n  \"auths\": {\n    \"" + hostA + "\": {\n      \"username\": \"AWS\",\n      \"password\": \"" + pw + "\",\n      \"auth\": \"" + basic + "\"\n    }\n  }\n}\n"},
		{"env, one file for each host", "env", "/{host}.env",
			"ECR_REGISTRY=" + hostA + "\nECR_USERNAME=AWS\nECR_PASSWORD=" + pw + "\nECR_EXPIRES_AT=2027-03-01T12:00:00Z\n"},
		{"env, a file for all", "env", "/f", "ECR_REGISTRY_111122223333_DKR_ECR_US_EAST_1_AMAZONAWS_COM=" + hostA +
			"\nECR_USERNAME_111122223333_DKR_ECR_US_EAST_1_AMAZONAWS_COM=AWS\nECR_PASSWORD_111122223333_DKR_ECR_US_EAST_1_AMAZONAWS_COM=" + pw +
			"\nECR_EXPIRES_AT_111122223333_DKR_ECR_US_EAST_1_AMAZONAWS_COM=2027-03-01T12:00:00Z\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := settings{Path: tt.path, Format: tt.format}.format()
			l := loginFor(hostA, "one")
			got := contentWith(t, f, "", l)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if again := contentWith(t, f, got, l); again != got {
				t.Errorf("again it is %q", again)
			}
			if left := f.without([]byte(got), []login.Login{loginFor(hostA, "two")}); string(left) != got {
				t.Errorf("another login took %q away", left)
			}
			former := login.Remembered(l.Digest(), l.ExpiresAt).For(hostA) // as a process before this one stored it
			for _, known := range []login.Login{l, former} {
				if left := f.without([]byte(got), []login.Login{known}); len(left) != 0 {
					t.Errorf("%q is left", left)
				}
			}
			if left := f.forget([]byte(got), func(host string) bool { return host == hostA }); len(left) != 0 {
				t.Errorf("%q is not forgotten", left)
			}
		})
	}
}

func TestAFileForSeveralHostsKeepsTheOthers(t *testing.T) {
	a, b := loginFor(hostA, "one"), loginFor(hostB, "two")
	for format, foreign := range map[string]string{
		"dockerconfigjson": `{"credsStore": "x", "auths": {"docker.io": {"auth": "bTp5"}}}`,
		"env":              "OTHER=1\nECR_PASSWORD=mine\n",
	} {
		t.Run(format, func(t *testing.T) {
			f := settings{Path: "/f", Format: format}.format()
			both := contentWith(t, f, contentWith(t, f, foreign, a), b)
			renewed := contentWith(t, f, both, loginFor(hostA, "three"))
			for _, secret := range []string{passwordOf("three"), passwordOf("two")} {
				if strings.Count(renewed, secret) != 1 {
					t.Errorf("want each password once:\n%s", renewed)
				}
			}
			if strings.Contains(renewed, passwordOf("one")) {
				t.Errorf("the former password is still there:\n%s", renewed)
			}
			left := string(f.without(f.without([]byte(both), []login.Login{a}), []login.Login{b}))
			forgotten := string(f.forget([]byte(both), func(string) bool { return true }))
			for _, rest := range []string{left, forgotten} {
				if strings.Contains(rest, passwordOf("one")) || strings.Contains(rest, passwordOf("two")) {
					t.Errorf("a login is left:\n%s", rest)
				}
				for _, word := range []string{"OTHER=1", "ECR_PASSWORD=mine", `"credsStore": "x"`, "docker.io"} {
					if strings.Contains(foreign, word) && !strings.Contains(rest, word) {
						t.Errorf("%q is lost:\n%s", word, rest)
					}
				}
			}
			if kept := string(f.forget([]byte(both), func(host string) bool { return host == hostA })); strings.Contains(kept, passwordOf("one")) || !strings.Contains(kept, passwordOf("two")) {
				t.Errorf("want only the host that is ours forgotten:\n%s", kept)
			}
		})
	}
}

func TestForgetTakesOnlyWhatLooksLikeOurs(t *testing.T) {
	ours := func(string) bool { return true }
	tests := []struct{ name, format, content string }{
		{"a person's password", "password", "correct horse battery staple"},
		{"a short one", "password", "aGVsbG8="},
		{"a token and more", "password", passwordOf("one") + "\n" + passwordOf("one")},
		{"basic of another user", "basic", login.Token{Username: "me", Secret: login.NewSecret(passwordOf("one"))}.Basic().Reveal()},
		{"no base64", "basic", passwordOf("one") + "!"},
		{"another user", "dockerconfigjson", `{"auths":{"h.example.com":{"username":"me","password":"x"}}}`},
		{"no JSON", "dockerconfigjson", "hello"},
		{"variables of another user", "env", "ECR_REGISTRY_H=h\nECR_USERNAME_H=me\nECR_PASSWORD_H=x\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if left := (settings{Path: "/f", Format: tt.format}).format().forget([]byte(tt.content), ours); string(left) != tt.content {
				t.Errorf("left %q of %q", left, tt.content)
			}
		})
	}
}

// What is not JSON cannot be used by anybody, and is replaced.
func TestBrokenJSONIsReplaced(t *testing.T) {
	for _, content := range []string{"{", "[]", `{"auths": 1}`, "null", `{"auths": null}`} {
		got := contentWith(t, dockerConfigJSON{}, content, loginFor(hostA, "one"))
		var doc struct{ Auths map[string]auth }
		if err := json.Unmarshal([]byte(got), &doc); err != nil || doc.Auths[hostA].Password != passwordOf("one") {
			t.Errorf("%q becomes %q, %v", content, got, err)
		}
	}
}

func TestEnvRefusesWhatWouldNeedQuotes(t *testing.T) {
	f := settings{Path: "/f", Format: "env"}.format()
	for _, password := range []string{"a b", "a\nPATH=x", "a'b", "$(id)", "a\\"} {
		if _, err := f.with(nil, []login.Login{login.Token{Username: user, Secret: login.NewSecret(password)}.For(hostA)}); err == nil {
			t.Errorf("%q is accepted", password)
		}
	}
}

// A shell reads back what was written.
func TestAShellReadsTheVariables(t *testing.T) {
	f := settings{Path: "/{host}", Format: "env"}.format()
	script := contentWith(t, f, "", loginFor(hostA, "one")) + `printf %s "$ECR_USERNAME:$ECR_PASSWORD@$ECR_REGISTRY"`
	out, err := exec.Command("sh", "-euc", script).CombinedOutput()
	if want := "AWS:" + passwordOf("one") + "@" + hostA; err != nil || string(out) != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

func FuzzContent(f *testing.F) {
	f.Add(`{"auths":{"h":{"username":"AWS","password":"x"}}}`)
	f.Add("ECR_REGISTRY=h\nECR_USERNAME=AWS\nECR_PASSWORD=x\n")
	f.Fuzz(func(t *testing.T, content string) {
		a := loginFor(hostA, "one")
		for _, name := range []string{"password", "basic", "dockerconfigjson", "env"} {
			format := settings{Path: "/f", Format: name}.format()
			with := contentWith(t, format, content, a)
			if again := contentWith(t, format, with, a); again != with {
				t.Errorf("%s: %q and then %q", name, with, again)
			}
			if rest := format.without([]byte(with), []login.Login{a}); strings.Contains(string(rest), passwordOf("one")) && !strings.Contains(content, passwordOf("one")) {
				t.Errorf("%s: %q is left", name, rest)
			}
			format.forget([]byte(content), func(string) bool { return true })
		}
	})
}
