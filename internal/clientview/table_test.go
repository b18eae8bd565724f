package clientview

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ecr-refreshd/internal/osuser"
)

// row is a home directory and an environment, and what docker makes of them. HOST
// stands for the registry's host, GOOD and STALE for two logins as they stand under
// "auth", HOME for the home.
type row struct {
	name    string
	config  string            // ~/.docker/config.json; none when empty
	files   map[string]string // others, by their path in the home; one ending in / is a directory
	env     map[string]string
	helpers map[string]string // programs on PATH, by the helper's name: answers, not found, fails, not executable

	key    string // the place that decides
	line   int
	helper string
	sends  string   // GOOD or STALE; nothing when empty
	hidden []string // keys
	fault  string   // in the text or hint of the fault; no fault when empty
	note   string
	chance bool
	before int
}

const (
	answers       = "answers"
	notFound      = "not found"
	fails         = "fails"
	notExecutable = "not executable"
)

// secrets by what stands for them. They must show in no text.
var secrets = map[string]string{"GOOD": "s3cret-good", "STALE": "s3cret-stale"}

func auth(password string) string {
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + password))
}

const (
	good = `"HOST": {"auth": "GOOD"}`
	fine = `"auths": {` + good + `}`
)

// site is where a row is laid out.
type site struct{ host, home string }

func (s site) fill(text string) string {
	return strings.NewReplacer("HOST", s.host, "HOME", s.home,
		"GOOD", auth(secrets["GOOD"]), "STALE", auth(secrets["STALE"])).Replace(text)
}

// lay writes the row's files.
func (r row) lay(t *testing.T, s site) {
	t.Helper()
	put := func(path, content string, mode fs.FileMode) {
		t.Helper()
		path = filepath.Join(s.home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(s.home, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r.config != "" {
		put(".docker/config.json", s.fill(r.config), 0o600)
	}
	for path, content := range r.files {
		if strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(filepath.Join(s.home, path), 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		put(path, s.fill(content), 0o600)
	}
	for name, does := range r.helpers {
		program, mode := "bin/"+helperPrefix+name, fs.FileMode(0o755)
		if name == "pass (itself)" {
			program = "bin/pass"
		}
		script := "#!/bin/sh\nread host\n"
		if does == answers { // regctl asks which hosts a store knows
			script += s.fill(`[ "$1" = list ] && { echo '{"HOST": "helper"}'; exit; }` + "\n")
		}
		switch does {
		case notExecutable:
			mode = 0o644
		case notFound:
			script += "echo 'credentials not found in native keychain'; exit 1\n"
		case fails:
			script += "echo 'it does not work'; exit 1\n"
		default:
			script += fmt.Sprintf(`echo '{"ServerURL": "x", "Username": "helper", "Secret": %q}'`+"\n", "from-"+name)
		}
		put(program, script, mode)
	}
}

// variables are those that the client is run with.
func (r row) variables(s site) map[string]string {
	all := map[string]string{"HOME": s.home, "PATH": filepath.Join(s.home, "bin"), "XDG_RUNTIME_DIR": filepath.Join(s.home, "run")}
	for name, value := range r.env {
		all[name] = s.fill(value)
	}
	return all
}

// eye looks at the row.
func (r row) eye(s site) Eye {
	variables := r.variables(s)
	return Eye{
		Account: osuser.Account{Name: "me", UID: os.Geteuid(), GID: os.Getegid(), Home: s.home},
		Getenv:  func(name string) string { return variables[name] },
	}
}

// rows is the table. Of every kind there is at least one neighbour that is all right.
var rows = []row{
	// Sound files.
	{name: "nothing at all", fault: "no login for it"},
	{name: "only auths", config: "{\n" + fine + "\n}", key: `auths["HOST"]`, line: 2, sends: "GOOD"},
	{name: "another host", config: `{"auths": {"other.example": {"auth": "GOOD"}}}`, fault: "no login for it"},
	{name: "user name and password in the clear", config: `{"auths": {"HOST": {"username": "AWS", "password": "s3cret-good"}}}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "auth before user name and password", config: `{"auths": {"HOST": {"username": "x", "password": "y", "auth": "GOOD"}}}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "keys that nobody knows", config: `{"mine": {"deep": [1, {"x": null}]}, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "nulls", config: `{"credHelpers": null, "HttpHeaders": null, "credsStore": null, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "the file is null", config: `null`, fault: "no login for it"},
	{name: "empty", config: " \n", fault: "no login for it"},
	{name: "empty object", config: `{}`, fault: "no login for it"},
	{name: "junk after the object", config: `{` + fine + "}\n}, and more", key: `auths["HOST"]`, sends: "GOOD"},

	// Not JSON.
	{name: "comma too many", config: "{" + fine + ",\n}", fault: "not JSON from line 2, column 1"},
	{name: "comma too many and a helper", config: "{\"credHelpers\": {\"HOST\": \"stub\"},\n}", helpers: map[string]string{"stub": answers}, fault: "not JSON from line 2"},
	{name: "cut off", config: `{"auths": {"HOST": {"auth": "GO`, fault: "not JSON"},
	{name: "byte order mark", config: "\xef\xbb\xbf{" + fine + "}", fault: "byte order mark"},
	{name: "UTF-16", config: "\xff\xfe{\x00}\x00", fault: "UTF-16"},
	{name: "UTF-16 without a mark", config: "{\x00}\x00", fault: "UTF-16"},
	{name: "YAML", config: "auths:\n  HOST: {}\n", fault: "line 1"},

	// A value of the wrong type.
	{name: "experimental as a boolean", config: "{\n" + fine + ",\n\"experimental\": true}", key: `auths["HOST"]`, line: 2, sends: "GOOD", fault: "docker before 29 gives up", before: 29},
	{name: "experimental as a boolean and the login in the clear", config: `{"experimental": true, "auths": {"HOST": {"username": "AWS", "password": "s3cret-good"}}}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "experimental as a boolean and a helper", config: `{"experimental": true, "credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub"},
	{name: "experimental as a string", config: `{"experimental": "enabled", ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "email as a number", config: `{"auths": {"HOST": {"auth": "GOOD", "email": 1}}}`, key: `auths["HOST"]`, sends: "GOOD", fault: `auths["HOST"].email`, before: 29},
	{name: "stackOrchestrator", config: `{"stackOrchestrator": [], ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD", fault: "docker before 24", before: 24},
	{name: "kubernetes", config: `{"kubernetes": {"allNamespaces": true}, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD", fault: "kubernetes.allNamespaces (line 1) is true or false, and has to be a string", before: 23},
	{name: "proxies.default as a string", config: "{" + fine + ", \"proxies\":\n{\"default\":\n\"http://p:3128\"}}", key: `auths["HOST"]`, fault: "proxies.default (line 2) is a string"},
	{name: "proxies as a list", config: `{"proxies": [], ` + fine + `}`, key: `auths["HOST"]`, fault: "proxies (line 1) is a list"},
	{name: "proxies as docker wants them", config: `{"proxies": {"default": {"httpProxy": "http://p:3128"}}, ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "noProxy as a list", config: `{"proxies": {"default": {"noProxy": ["a"]}}, ` + fine + `}`, key: `auths["HOST"]`, fault: "proxies.default.noProxy (line 1) is a list"},
	{name: "a header as a number", config: `{"HttpHeaders": {"X-Meta": 4711}, ` + fine + `}`, key: `auths["HOST"]`, fault: "HttpHeaders.X-Meta (line 1) is a number"},
	{name: "a feature as a boolean", config: `{"features": {"buildkit": true}, ` + fine + `}`, key: `auths["HOST"]`, fault: "between quotes"},
	{name: "a plugin as a string", config: `{"plugins": {"x": "y"}, ` + fine + `}`, key: `auths["HOST"]`, fault: "plugins.x (line 1) is a string, and has to be an object"},
	{name: "a list of filters as a string", config: `{"pruneFilters": "a", ` + fine + `}`, key: `auths["HOST"]`, fault: "has to be a list"},
	{name: "wrong in a list", config: `{"cliPluginsExtraDirs": ["a", 1], ` + fine + `}`, key: `auths["HOST"]`, fault: `cliPluginsExtraDirs[1] (line 1) is a number`},
	{name: "another entry is a string", config: `{"auths": {"old.example": "GOOD", ` + good + `}}`, key: `auths["HOST"]`, fault: `auths["old.example"] (line 1) is a string`},
	{name: "auths is a list", config: `{"auths": ["HOST"]}`, fault: "auths (line 1) is a list"},
	{name: "the file is a list", config: `[]`, fault: "the content (line 1) is a list"},
	{name: "auth is a number", config: `{"auths": {"HOST": {"auth": 12345678}}}`, key: `auths["HOST"]`, fault: `auths["HOST"].auth`},
	{name: "wrong type and the login in the clear", config: `{"proxies": "p", "auths": {"HOST": {"username": "AWS", "password": "s3cret-good"}}}`, key: `auths["HOST"]`, sends: "GOOD", note: "proxies"},
	{name: "wrong type and a helper", config: "{\"proxies\": \"p\",\n\"credHelpers\": {\"HOST\": \"stub\"}}", helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, line: 2, helper: "stub", note: "proxies"},
	{name: "a helper that is an object", config: `{"credHelpers": {"other.example": {}, "HOST": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}, note: `credHelpers["other.example"]`},
	{name: "credsStore is an object", config: `{"credsStore": {}, ` + fine + `}`, key: `auths["HOST"]`, fault: "credsStore (line 1) is an object"},

	// Entries that cannot be taken apart.
	{name: "own auth is no base64", config: `{"auths": {"HOST": {"auth": "not base64"}}}`, key: `auths["HOST"]`, fault: `auths["HOST"].auth (line 1), which is not base64`},
	{name: "own auth has no colon", config: `{"auths": {"HOST": {"auth": "QVdT"}}}`, key: `auths["HOST"]`, fault: "not user:password"},
	{name: "another auth is no base64", config: "{\"auths\": {" + good + ",\n\"old.example\": {\"auth\": \"not base64\"}}}", key: `auths["HOST"]`, sends: "GOOD", fault: `auths["old.example"].auth (line 2)`, chance: true},
	{name: "another auth is bad and a helper", config: `{"credHelpers": {"HOST": "stub"}, "auths": {"old.example": {"auth": "x"}}}`, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub", note: "old.example"},
	{name: "another auth is bad and the login in the clear", config: `{"auths": {"HOST": {"username": "AWS", "password": "s3cret-good"}, "old.example": {"auth": "x"}}}`, key: `auths["HOST"]`, sends: "GOOD", note: "old.example"},
	{name: "no password", config: `{"auths": {"HOST": {"auth": "QVdTOg=="}}}`, key: `auths["HOST"]`, fault: "has no password"},
	{name: "identity token alone", config: `{"auths": {"HOST": {"identitytoken": "s3cret-token"}}}`, key: `auths["HOST"]`, fault: "identitytoken and no login"},
	{name: "registry token", config: `{"auths": {"HOST": {"auth": "GOOD", "registrytoken": "s3cret-token"}}}`, key: `auths["HOST"]`, sends: "GOOD", fault: "sent in place of a login"},

	// Keys.
	{name: "scheme and path", config: `{"auths": {"https://HOST/v1/": {"auth": "GOOD"}}}`, key: `auths["https://HOST/v1/"]`, sends: "GOOD"},
	{name: "the exact host wins", config: `{"auths": {"https://HOST/v1/": {"auth": "STALE"}, ` + good + `, "http://HOST": {"auth": "STALE"}}}`, key: `auths["HOST"]`, sends: "GOOD", hidden: []string{`auths["http://HOST"]`, `auths["https://HOST/v1/"]`}},
	{name: "two forms of the host", config: `{"auths": {"https://HOST": {"auth": "STALE"}, "https://HOST/v2/": {"auth": "GOOD"}}}`, key: `auths["https://HOST"]`, sends: "STALE", hidden: []string{`auths["https://HOST/v2/"]`}, fault: "at random", chance: true},
	{name: "two forms, the same login", config: `{"auths": {"https://HOST": {"auth": "GOOD"}, "https://HOST/v2/": {"auth": "GOOD"}}}`, key: `auths["https://HOST"]`, sends: "GOOD"},
	{name: "an empty entry hides a good one", config: `{"auths": {"HOST": {}, "https://HOST": {"auth": "GOOD"}}}`, key: `auths["HOST"]`, hidden: []string{`auths["https://HOST"]`}, fault: `holds no login and hides auths["https://HOST"]`},
	{name: "a blank in the key", config: `{"auths": {"HOST ": {"auth": "GOOD"}}}`, fault: "not written as docker looks for it"},
	{name: "letter case of the host", config: `{"auths": {"111122223333.DKR.ECR.us-east-1.amazonaws.com": {"auth": "GOOD"}}}`, fault: "not written as docker looks for it"},
	{name: "doubles of the host", config: `{"auths": {"HOST": {"auth": "STALE"}, "HOST": {"auth": "GOOD"}}}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "doubles of auths are merged", config: "{\"auths\": {" + good + "},\n\"auths\": {\"other.example\": {\"auth\": \"STALE\"}}}", key: `auths["HOST"]`, line: 1, sends: "GOOD"},
	{name: "a null after auths", config: `{` + fine + `, "auths": null}`, fault: "no login for it"},
	{name: "letter case of auths", config: `{"AUTHS": {` + good + `}}`, key: `auths["HOST"]`, line: 1, sends: "GOOD"},
	{name: "letter case of auth", config: `{"auths": {"HOST": {"Auth": "GOOD"}}}`, key: `auths["HOST"]`, sends: "GOOD"},

	// Helpers.
	{name: "our helper", config: `{"credHelpers": {"HOST": "ecr-refreshd"}}`, helpers: map[string]string{"ecr-refreshd": answers}, key: `credHelpers["HOST"]`, helper: "ecr-refreshd"},
	{name: "credHelpers before credsStore before auths", config: `{"credHelpers": {"HOST": "stub"}, "credsStore": "other", ` + fine + `}`, helpers: map[string]string{"stub": answers, "other": answers}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{"credsStore", `auths["HOST"]`}},
	{name: "credsStore before auths", config: `{"credsStore": "stub", ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: "credsStore", helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper of another host", config: `{"credHelpers": {"other.example": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a helper under a URL", config: `{"credHelpers": {"https://HOST": "stub"}, ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an empty helper", config: `{"credHelpers": {"HOST": ""}, "credsStore": "stub", ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: `auths["HOST"]`, sends: "GOOD", hidden: []string{"credsStore"}},
	{name: "letter case of credsStore", config: `{"CREDSSTORE": "stub", ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: "credsStore", helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that knows nothing", config: `{"credsStore": "stub", ` + fine + `}`, helpers: map[string]string{"stub": notFound}, key: "credsStore", helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that fails", config: `{"credsStore": "stub", ` + fine + `}`, helpers: map[string]string{"stub": fails}, key: "credsStore", helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a credsStore that is missing", config: `{"credsStore": "stub"}`, key: "credsStore", helper: "stub", fault: "it is missing"},
	{name: "a credsStore that is missing, and auths", config: `{"credsStore": "stub", ` + fine + `}`, key: "credsStore", helper: "stub", hidden: []string{`auths["HOST"]`}, fault: "it is missing"},
	{name: "a good helper beside a credsStore that is missing", config: `{"credsStore": "gone", "credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{"credsStore"}},
	{name: "a helper that nobody may execute", config: `{"credsStore": "stub"}`, helpers: map[string]string{"stub": notExecutable}, key: "credsStore", helper: "stub", fault: "it is not executable"},

	// The default credential store.
	{name: "secretservice by default", config: `{"detachKeys": "ctrl-x"}`, helpers: map[string]string{"secretservice": answers}, key: "docker's default credential store", helper: "secretservice"},
	{name: "secretservice without a file", helpers: map[string]string{"secretservice": answers}, key: "docker's default credential store", helper: "secretservice"},
	{name: "pass by default", helpers: map[string]string{"secretservice": answers, "pass": answers, "pass (itself)": answers}, key: "docker's default credential store", helper: "pass"},
	{name: "pass without its helper", helpers: map[string]string{"secretservice": answers, "pass (itself)": answers}, fault: "no login for it"},
	{name: "no default beside auths", config: `{` + fine + `}`, helpers: map[string]string{"secretservice": answers}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a default after what is not JSON", config: `{` + fine, helpers: map[string]string{"secretservice": answers}, key: "docker's default credential store", helper: "secretservice", fault: "not JSON"},

	// Variables.
	{name: "DOCKER_CONFIG", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{"other/config.json": `{` + fine + `}`}, env: map[string]string{"DOCKER_CONFIG": "HOME/other"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "DOCKER_CONFIG names the file", config: `{` + fine + `}`, env: map[string]string{"DOCKER_CONFIG": "HOME/.docker/config.json"}, fault: "DOCKER_CONFIG has to name the directory: set it to HOME/.docker"},
	{name: "DOCKER_CONFIG names nothing", config: `{` + fine + `}`, env: map[string]string{"DOCKER_CONFIG": "HOME/none"}, fault: "no login for it"},
	{name: "DOCKER_CONFIG is relative", env: map[string]string{"DOCKER_CONFIG": "none"}, fault: "set DOCKER_CONFIG to an absolute path"},
	{name: "config.json is a directory", files: map[string]string{".docker/config.json/": ""}, fault: "not a regular file"},
	{name: "DOCKER_AUTH_CONFIG", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{` + fine + `}`}, key: `DOCKER_AUTH_CONFIG: auths["HOST"]`, sends: "GOOD", hidden: []string{`auths["HOST"]`}, note: "before 28.3"},
	{name: "DOCKER_AUTH_CONFIG before a helper", config: `{"credsStore": "gone"}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{` + fine + `}`}, key: `DOCKER_AUTH_CONFIG: auths["HOST"]`, sends: "GOOD", hidden: []string{"credsStore"}},
	{name: "DOCKER_AUTH_CONFIG of another host", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{"auths": {"other.example": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "DOCKER_AUTH_CONFIG with a URL", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{"auths": {"https://HOST": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "DOCKER_AUTH_CONFIG with more keys", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{"auths": {"HOST": {"auth": "STALE", "email": "x"}}}`}, key: `auths["HOST"]`, sends: "GOOD", note: "a key that docker does not know there"},
	{name: "DOCKER_AUTH_CONFIG with a bad entry", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{"auths": {"HOST": {"auth": "STALE"}, "x": {}}}`}, key: `auths["HOST"]`, sends: "GOOD", note: `auths["x"] has no usable auth`},
	{name: "DOCKER_AUTH_CONFIG is not JSON", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `HOME/file`}, key: `auths["HOST"]`, sends: "GOOD", note: "not JSON"},
	{name: "DOCKER_AUTH_CONFIG with more behind", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{} {}`}, key: `auths["HOST"]`, sends: "GOOD", note: "something follows"},
	{name: "DOCKER_AUTH_CONFIG of a wrong type", config: `{` + fine + `}`, env: map[string]string{"DOCKER_AUTH_CONFIG": `{"auths": []}`}, key: `auths["HOST"]`, sends: "GOOD", note: "auths has to be an object"},
}

// run is podman's first file, and own its second.
const run1, own = "run/containers/auth.json", ".config/containers/auth.json"

// containersRows is the table of podman's family, with skopeo's answers.
var containersRows = []row{
	{name: "its first file", files: map[string]string{run1: "{\n" + fine + "}"}, key: `auths["HOST"]`, line: 2, sends: "GOOD"},
	{name: "its second file", files: map[string]string{own: `{` + fine + `}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a stale second file hides docker's helper", config: `{"credHelpers": {"HOST": "stub"}}`, helpers: map[string]string{"stub": answers},
		files: map[string]string{own: `{"auths": {"HOST": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "STALE", hidden: []string{`credHelpers["HOST"]`}},
	{name: "another host in the first file", config: `{` + fine + `}`, files: map[string]string{run1: `{"auths": {"other.example": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an empty first file", config: `{` + fine + `}`, files: map[string]string{run1: ""}, fault: "it is empty"},
	{name: "an empty object first", config: `{` + fine + `}`, files: map[string]string{run1: "{}"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a broken file behind the first", config: `{`, files: map[string]string{run1: `{` + fine + `}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a broken file before docker's", config: `{` + fine + `}`, files: map[string]string{own: `{"auths": [}`}, fault: "not JSON"},
	{name: "junk behind the object", files: map[string]string{run1: `{` + fine + `} x`}, fault: "not JSON"},
	{name: "byte order mark in its file", files: map[string]string{run1: "\xef\xbb\xbf{}"}, fault: "byte order mark"},
	{name: "proxies of the wrong type are nothing to it", config: `{"proxies": [], ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "credsStore is nothing to it", config: `{"credsStore": "gone", ` + fine + `}`, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an entry of the wrong type", files: map[string]string{run1: `{"auths": {"other.example": 1, ` + good + `}}`}, fault: `auths["other.example"] (line 1) is a number`},
	{name: "user name and password in the clear are nothing to it", config: `{"auths": {"HOST": {"username": "AWS", "password": "s3cret-good"}}}`, fault: "no login for it", note: "passes it over"},
	{name: "an empty entry is passed over", config: `{` + fine + `}`, files: map[string]string{own: `{"auths": {"HOST": {}}}`}, key: `auths["HOST"]`, sends: "GOOD", note: "holds no login"},
	{name: "an entry without a colon is passed over", config: `{` + fine + `}`, files: map[string]string{own: `{"auths": {"HOST": {"auth": "QVdT"}}}`}, key: `auths["HOST"]`, sends: "GOOD", note: "holds no login"},
	{name: "an entry that is no base64", config: `{` + fine + `}`, files: map[string]string{own: `{"auths": {"HOST": {"auth": "-"}}}`}, key: `auths["HOST"]`, fault: "not base64"},
	{name: "another entry is no base64", files: map[string]string{own: `{"auths": {"other.example": {"auth": "-"}, ` + good + `}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an entry without a password", files: map[string]string{own: `{"auths": {"HOST": {"auth": "QVdTOg=="}}}`}, key: `auths["HOST"]`, fault: "no password"},
	{name: "a URL as key", files: map[string]string{own: `{"auths": {"https://HOST/v1/": {"auth": "GOOD"}}}`}, key: `auths["https://HOST/v1/"]`, sends: "GOOD"},
	{name: "two URLs as keys", files: map[string]string{own: `{"auths": {"https://HOST/v1/": {"auth": "GOOD"}, "http://HOST": {"auth": "STALE"}}}`}, key: `auths["http://HOST"]`, sends: "STALE", hidden: []string{`auths["https://HOST/v1/"]`}, fault: "at random", chance: true},
	{name: "a path of another repository", files: map[string]string{own: `{"auths": {"HOST/team": {"auth": "STALE"}, ` + good + `}}`}, key: `auths["HOST"]`, sends: "GOOD", note: `auths["HOST/team"] (line 1)`},
	{name: "only a path", files: map[string]string{own: `{"auths": {"HOST/team": {"auth": "STALE"}}}`}, fault: "no login for it", note: `auths["HOST/team"]`},
	{name: "a helper of its own", files: map[string]string{own: `{"credHelpers": {"HOST": "stub"}, ` + fine + `}`}, helpers: map[string]string{"stub": answers}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that knows nothing, and docker's file", config: `{` + fine + `}`, files: map[string]string{own: `{"credHelpers": {"HOST": "stub"}}`}, helpers: map[string]string{"stub": notFound}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that fails, and docker's file", config: `{` + fine + `}`, files: map[string]string{own: `{"credHelpers": {"HOST": "stub"}}`}, helpers: map[string]string{"stub": fails}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper that is missing, and docker's file", config: `{` + fine + `}`, files: map[string]string{own: `{"credHelpers": {"HOST": "stub"}}`}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}, fault: "it is missing"},
	{name: "an empty helper is an error", files: map[string]string{own: `{"credHelpers": {"HOST": ""}, ` + fine + `}`}, key: `credHelpers["HOST"]`, hidden: []string{`auths["HOST"]`}, fault: "names no helper"},
	{name: ".dockercfg", files: map[string]string{".dockercfg": `{` + good + `}`}, key: `["HOST"]`, line: 1, sends: "GOOD"},
	{name: ".dockercfg with a URL", files: map[string]string{".dockercfg": `{"https://HOST/v1/": {"auth": "GOOD"}}`}, key: `["https://HOST/v1/"]`, line: 1, sends: "GOOD"},
	{name: "REGISTRY_AUTH_FILE", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{"mine": `{` + fine + `}`}, env: map[string]string{"REGISTRY_AUTH_FILE": "HOME/mine"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "REGISTRY_AUTH_FILE without the host", config: `{` + fine + `}`, files: map[string]string{"mine": `{}`}, env: map[string]string{"REGISTRY_AUTH_FILE": "HOME/mine"}, fault: "no login for it"},
	{name: "REGISTRY_AUTH_FILE is not there", config: `{` + fine + `}`, env: map[string]string{"REGISTRY_AUTH_FILE": "HOME/none"}, fault: "no login for it"},
	{name: "XDG_RUNTIME_DIR is not there", files: map[string]string{own: `{` + fine + `}`}, env: map[string]string{"XDG_RUNTIME_DIR": "HOME/none"}, key: `auths["HOST"]`, sends: "GOOD", note: "XDG_RUNTIME_DIR"},
	{name: "XDG_CONFIG_HOME", files: map[string]string{"conf/containers/auth.json": `{` + fine + `}`}, env: map[string]string{"XDG_CONFIG_HOME": "HOME/conf"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "DOCKER_CONFIG behind its own files", files: map[string]string{own: `{"auths": {"HOST": {"auth": "STALE"}}}`, "d/config.json": `{` + fine + `}`}, env: map[string]string{"DOCKER_CONFIG": "HOME/d"}, key: `auths["HOST"]`, sends: "STALE", hidden: []string{`auths["HOST"]`}},
	{name: "DOCKER_CONFIG names nothing, beside the home's file", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{run1: `{` + fine + `}`}, env: map[string]string{"DOCKER_CONFIG": "HOME/none"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "DOCKER_CONFIG names the file, behind nothing", config: `{` + fine + `}`, env: map[string]string{"DOCKER_CONFIG": "HOME/.docker/config.json"}, fault: "has to name the directory"},
}

// helmRows is the table of helm, which looks into a file of its own first.
var helmRows = []row{
	{name: "helm's own file", config: `{"auths": {"HOST": {"auth": "STALE"}}}`, files: map[string]string{helmFile: `{` + fine + `}`}, key: `auths["HOST"]`, sends: "GOOD", hidden: []string{`auths["HOST"]`}},
	{name: "a stale file of helm hides docker's helper", config: `{"credHelpers": {"HOST": "stub"}}`, files: map[string]string{helmFile: `{"auths": {"HOST": {"auth": "STALE"}}}`},
		helpers: map[string]string{"stub": answers}, key: `auths["HOST"]`, sends: "STALE", hidden: []string{`credHelpers["HOST"]`}},
	{name: "another host in helm's file", config: `{` + fine + `}`, files: map[string]string{helmFile: `{"auths": {"other.example": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an empty entry in helm's file", config: `{` + fine + `}`, files: map[string]string{helmFile: `{"auths": {"HOST": {}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "an entry in helm's file that is no base64", config: `{` + fine + `}`, files: map[string]string{helmFile: `{"auths": {"HOST": {"auth": "-"}}}`}, key: `auths["HOST"]`, fault: "gives up at"},
	{name: "helm's file is broken", config: `{` + fine + `}`, files: map[string]string{helmFile: `{`}, fault: "not JSON"},
	{name: "helm's file is empty", config: `{` + fine + `}`, files: map[string]string{helmFile: ``}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "docker's file is broken behind helm's", config: `{`, files: map[string]string{helmFile: `{` + fine + `}`}, key: `auths["HOST"]`, sends: "GOOD", note: "passes docker's file over"},
	{name: "HELM_REGISTRY_CONFIG", files: map[string]string{"h.json": `{` + fine + `}`, helmFile: `{"auths": {"HOST": {"auth": "STALE"}}}`}, env: map[string]string{"HELM_REGISTRY_CONFIG": "HOME/h.json"}, key: `auths["HOST"]`, sends: "GOOD"},
	{name: "a helper of helm's file that knows nothing", config: `{` + fine + `}`, files: map[string]string{helmFile: `{"credHelpers": {"HOST": "stub"}}`}, helpers: map[string]string{"stub": notFound}, key: `credHelpers["HOST"]`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "a helper of helm's file that fails", config: `{` + fine + `}`, files: map[string]string{helmFile: `{"credsStore": "stub"}`}, helpers: map[string]string{"stub": fails}, key: `credsStore`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "an empty helper goes to credsStore", config: `{"credHelpers": {"HOST": ""}, "credsStore": "stub", ` + fine + `}`, helpers: map[string]string{"stub": answers}, key: `credsStore`, helper: "stub", hidden: []string{`auths["HOST"]`}},
	{name: "the default store before docker's file", config: `{` + fine + `}`, helpers: map[string]string{"secretservice": notFound}, key: "the default credential store", helper: "secretservice", hidden: []string{`auths["HOST"]`}},
	{name: "AUTHS is nothing to helm", config: `{"AUTHS": {` + good + `}}`, fault: "no login for it"},
	{name: "notation's own file", config: `{` + fine + `}`, files: map[string]string{".config/notation/config.json": `{"auths": {"HOST": {"auth": "STALE"}}}`}, key: `auths["HOST"]`, sends: "GOOD"},
}

const helmFile = ".config/helm/registry/config.json"
