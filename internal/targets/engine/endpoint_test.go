package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
)

func TestReadRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name, yaml string
		want       string // a part of the error; empty: accepted
	}{
		{"nothing", "", ""},
		{"unix", "host: unix:///run/d.sock", ""},
		{"tcp with TLS", "host: tcp://e:2376, tls: {ca: /ca, cert: /c, key: /k}", ""},
		{"ssh", "host: ssh://ops@e:22/run/d.sock", ""},
		{"context", "context: build-1", ""},
		{"both", "host: unix:///a, context: b1", "exclude each other"},
		{"context with TLS", "context: b1, tls: {ca: /ca}", "goes with host"},
		{"half a pair", "host: tcp://e:1, tls: {cert: /c}", "write both"},
		{"TLS without TCP", "host: unix:///a, tls: {ca: /ca}", "goes with host"},
		{"long socket", "host: unix:///" + strings.Repeat("x", 107), "at most 107"},
		{"password in ssh", "host: ssh://u:canary@e", "password"},
		{"broken tcp with password", "host: 'tcp://u:canary@e:x%'", "not an address"},
		{"path that ssh does not take", "host: 'ssh://e/run?canary'", "query"},
		{"hostile context", "context: ../../etc", "not the name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse("c.yaml", []byte("registries: [{region: us-east-1}]\ntargets: [{type: engine, "+tt.yaml+"}]\n"),
				config.Kinds{{Type: "engine", Read: Read}})
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary")) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// What docker's own settings and contexts name is checked when it is used.
func TestAddressesThatCannotWork(t *testing.T) {
	tests := []struct{ name, host, want string }{
		{"relative socket", "unix://run/d.sock", "absolute path"},
		{"long socket", "unix:///" + strings.Repeat("x", 107), "at most 107"},
		{"no scheme", "10.0.0.1:2375", "write unix:///path"},
		{"only a scheme", "ssh", "write unix:///path"},
		{"other scheme", "npipe:////./pipe/d", "write unix:///path"},
		{"no name", "tcp://:2375", "name is missing"},
		{"password in tcp", "tcp://u:canary@e:1", "only a name and a port"},
		{"password in ssh", "ssh://u:canary@e", "password"},
		{"broken tcp with password", "tcp://u:canary@e:x%", "docker host"},
		{"broken ssh with password", "ssh://u:canary@e:x%", "docker host"},
		{"option for ssh as host", "ssh://-oProxyCommand=x", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseHost(tt.host, false)
			if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary")) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// world is a directory with docker's files, and what resolve asks of it.
func world(t *testing.T, env map[string]string) (environment, string) {
	t.Helper()
	dir := t.TempDir()
	return environment{
		getenv: func(k string) string { return strings.ReplaceAll(env[k], "DIR", dir) },
		home:   func() (string, error) { return dir, nil },
		socket: filepath.Join(dir, "docker.sock"),
	}, dir
}

func addContext(t *testing.T, config, name, meta string) (tlsDir string) {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	dir := filepath.Join(config, "contexts", "meta", id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "meta.json"), []byte(meta))
	return filepath.Join(config, "contexts", "tls", id, "docker")
}

func metaFor(host string) string {
	return fmt.Sprintf(`{"Name":"x","Metadata":{},"Endpoints":{"docker":{"Host":%q,"SkipTLSVerify":false}}}`, host)
}

// TestTheEngineIsShownWithWhatNamedIt: a config.json that docker passes over is no reason to
// say nothing of it.
func TestTheEngineIsShownWithWhatNamedIt(t *testing.T) {
	tests := []struct {
		name    string
		o       Options
		env     map[string]string
		config  string // ~/.docker/config.json
		want    string // with DIR for the home directory
		warning string // a part of it
	}{
		{"nothing", Options{}, nil, "", "unix://DIR/docker.sock, from the local socket", ""},
		{"host", Options{Host: "tcp://h:1"}, nil, "{", "tcp://h:1, from the target's host", ""},
		{"context", Options{Context: "named"}, nil, "{", `tcp://named:2375, from docker context "named", the target's context`, ""},
		{"DOCKER_HOST", Options{}, map[string]string{"DOCKER_HOST": "tcp://e:1"}, "{", "tcp://e:1, from environment variable DOCKER_HOST", ""},
		{"DOCKER_CONTEXT", Options{}, map[string]string{"DOCKER_CONTEXT": "named"}, "{", `tcp://named:2375, from docker context "named", environment variable DOCKER_CONTEXT`, ""},
		{"currentContext", Options{}, nil, `{"currentContext":"named"}`, `tcp://named:2375, from docker context "named", currentContext in "DIR/.docker/config.json"`, ""},
		{"a comma too many", Options{}, nil, `{"currentContext":"named",}`, "unix://DIR/docker.sock, from the local socket", `read docker's current context from "DIR/.docker/config.json": invalid character`},
		{"a byte order mark", Options{}, nil, "\ufeff{\"currentContext\":\"named\"}", "unix://DIR/docker.sock, from the local socket", "so the engine is unix://DIR/docker.sock: correct the file"},
		{"a wrong type", Options{}, nil, `{"currentContext": 1}`, "unix://DIR/docker.sock, from the local socket", "currentContext of type string"},
		{"a file with many logins", Options{}, nil, `{"a":"` + strings.Repeat("x", 2<<20) + `","currentContext":"named"}`, `tcp://named:2375, from docker context "named", currentContext in "DIR/.docker/config.json"`, ""},
		{"a file over the limit", Options{}, nil, strings.Repeat(" ", configLimit) + "{}", "unix://DIR/docker.sock, from the local socket", "the engine is taken for unix://DIR/docker.sock: if that file names a context"},
		{"an empty file", Options{}, nil, "", "unix://DIR/docker.sock, from the local socket", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, dir := world(t, tt.env)
			addContext(t, filepath.Join(dir, ".docker"), "named", metaFor("tcp://named"))
			writeFile(t, filepath.Join(dir, ".docker", "config.json"), []byte(tt.config))
			tgt := newTarget(tt.o)
			tgt.env = env
			warning := tgt.Warning(t.Context())
			if part := strings.ReplaceAll(tt.warning, "DIR", dir); !strings.Contains(warning, part) || (part == "") != (warning == "") {
				t.Errorf("warning %q, want %q", warning, part)
			}
			if want := "docker engine at " + strings.ReplaceAll(tt.want, "DIR", dir); tgt.String() != want {
				t.Errorf("got %q, want %q", tgt, want)
			}
		})
	}
}

func TestResolveFollowsDocker(t *testing.T) {
	const current = `{"auths":{},"currentContext":"current"}`
	tests := []struct {
		name   string
		o      Options
		env    map[string]string
		config string // ~/.docker/config.json
		want   string // with DIR for the home directory; a part of the error where it begins with !
	}{
		{"nothing", Options{}, nil, "", "unix://DIR/docker.sock"},
		{"host wins", Options{Host: "tcp://h:1"}, map[string]string{"DOCKER_HOST": "tcp://e:1"}, current, "tcp://h:1"},
		{"context wins", Options{Context: "named"}, map[string]string{"DOCKER_HOST": "tcp://e:1", "DOCKER_CONTEXT": "envd"}, current, "tcp://named:2375"},
		{"DOCKER_HOST", Options{}, map[string]string{"DOCKER_HOST": "tcp://e:1", "DOCKER_CONTEXT": "envd"}, current, "tcp://e:1"},
		{"DOCKER_CONTEXT", Options{}, map[string]string{"DOCKER_CONTEXT": "envd"}, current, "tcp://envd:2375"},
		{"currentContext", Options{}, nil, current, "tcp://current:2375"},
		{"default context", Options{Context: "default"}, map[string]string{"DOCKER_CONTEXT": "envd"}, current, "unix://DIR/docker.sock"},
		{"default context with DOCKER_HOST", Options{Context: "default"}, map[string]string{"DOCKER_HOST": "tcp://e:1"}, current, "tcp://e:1"},
		{"default in the environment", Options{}, map[string]string{"DOCKER_CONTEXT": "default"}, current, "unix://DIR/docker.sock"},
		{"broken config.json", Options{}, nil, `{"currentContext": "current",}`, "unix://DIR/docker.sock"},
		{"config.json with a key of a wrong type", Options{}, nil, `{"proxies": 1, "currentContext": "current"}`, "tcp://current:2375"},
		{"DOCKER_CONFIG", Options{Context: "else"}, map[string]string{"DOCKER_CONFIG": "DIR/elsewhere"}, "", "ssh://ops@else"},
		{"context without host", Options{Context: "local"}, nil, "", "unix://DIR/docker.sock"},
		{"unknown context", Options{Context: "nobody"}, nil, "", "!there is no such context"},
		{"broken context", Options{Context: "broken"}, nil, "", `!docker context "broken": read`},
		{"context of something else", Options{Context: "k8s"}, nil, "", "!no docker endpoint"},
		{"context with a bad host", Options{Context: "bad"}, nil, "", "!write unix:///path"},
		{"hostile current context", Options{}, nil, `{"currentContext":"../../../etc/passwd"}`, "!a name has"},
		{"hostile DOCKER_CONTEXT", Options{}, map[string]string{"DOCKER_CONTEXT": "a/b"}, "", "!a name has"},
		{"bad DOCKER_HOST", Options{}, map[string]string{"DOCKER_HOST": "e:1"}, "", "!environment variable DOCKER_HOST"},
		{"password in DOCKER_HOST", Options{}, map[string]string{"DOCKER_HOST": "tcp://u:canary@e"}, "", "!only a name and a port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, dir := world(t, tt.env)
			config := filepath.Join(dir, ".docker")
			for _, name := range []string{"named", "envd", "current"} {
				addContext(t, config, name, metaFor("tcp://"+name))
			}
			addContext(t, config, "local", metaFor(""))
			addContext(t, config, "broken", `{"Endpoints":`)
			addContext(t, config, "k8s", `{"Endpoints":{"kubernetes":{}}}`)
			addContext(t, config, "bad", metaFor("fd://"))
			addContext(t, filepath.Join(dir, "elsewhere"), "else", metaFor("ssh://ops@else"))
			if tt.config != "" {
				writeFile(t, filepath.Join(config, "config.json"), []byte(tt.config))
			}
			got, err := env.resolve(tt.o)
			if part, fails := strings.CutPrefix(tt.want, "!"); fails {
				var e *fault.Error
				if !errors.As(err, &e) || e.Reason != fault.Local || e.Hint == "" || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "canary") {
					t.Errorf("got %q, %v, want %q", got, err, part)
				}
				return
			}
			if want := strings.ReplaceAll(tt.want, "DIR", dir); err != nil || got.String() != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
}

func TestTLSFilesFollowTheEndpoint(t *testing.T) {
	env, dir := world(t, map[string]string{"DOCKER_HOST": "tcp://e", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "DIR/certs"})
	ours := newAuthority(t)
	ours.write(t, filepath.Join(dir, "certs"))
	ours.write(t, addContext(t, filepath.Join(dir, ".docker"), "secured", metaFor("tcp://c")))
	addContext(t, filepath.Join(dir, ".docker"), "careless", `{"Endpoints":{"docker":{"Host":"tcp://c","SkipTLSVerify":true}}}`)
	file := func(f string) string { return strings.Replace(f, dir, "DIR", 1) }
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"environment", Options{}, "tcp://e:2376 true DIR/certs/ca.pem true false"},
		{"options first", Options{CA: "/my/ca"}, "tcp://e:2376 true /my/ca false false"},
		{"explicit host is not secured by the environment", Options{Host: "tcp://h"}, "tcp://h:2375 false  false false"},
		{"careless context", Options{Context: "careless"}, "tcp://c:2376 true  false true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := env.resolve(tt.o)
			text := fmt.Sprint(got.address, got.tls.on, " ", file(got.tls.ca), " ", got.tls.cert != "" && got.tls.key != "", got.tls.skipVerify)
			if err != nil || text != tt.want {
				t.Errorf("got %q, %v, want %q", text, err, tt.want)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		got, err := env.resolve(Options{Context: "secured"})
		if err != nil || got.String() != "tcp://c:2376" {
			t.Fatalf("got %v, %v", got, err)
		}
		if config, err := got.tls.config(); err != nil || config.RootCAs == nil || len(config.Certificates) != 1 || config.InsecureSkipVerify {
			t.Errorf("got %+v, %v", config, err)
		}
	})
}

func TestRootlessSocketIsFoundByUsersOnly(t *testing.T) {
	env, dir := world(t, map[string]string{"XDG_RUNTIME_DIR": "DIR"})
	run := filepath.Join(dir, "run")
	env.socket = filepath.Join(run, "docker.sock")
	rootless := filepath.Join(dir, "docker.sock")
	check := func(name, want string) {
		t.Helper()
		if got := env.localSocket(); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	check("neither is there", env.socket)
	l, err := net.Listen("unix", rootless)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	check("only the rootless one is there", rootless)
	env.root = true
	check("for root", env.socket)
	env.root = false
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, env.socket, nil)
	check("both are there", env.socket)
}

func TestMissingSocketIsOneEngineFault(t *testing.T) {
	tgt := newTarget(Options{Host: "unix:///nowhere/docker.sock"})
	err := tgt.Store(t.Context(), loginsFor(manyHosts(50)...))
	var e *fault.Error
	if !errors.As(err, &e) || len(fault.All(err)) != 1 || e.Reason != fault.Engine || e.Hosts != nil ||
		!errors.Is(err, os.ErrNotExist) || !strings.Contains(e.Hint, "systemctl status docker") {
		t.Errorf("got %#v", err)
	}
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"unix:///a", "tcp://h:1", "tcp://[::1]", "ssh://u@h:2/p", "ssh", "tcp://u:canary@h", "x"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, host string, secured bool) {
		a, err := parseHost(host, secured)
		if err != nil {
			return
		}
		if b, err := parseHost(a.String(), secured); err != nil || a != b {
			t.Errorf("%q became %q, which became %q, %v", host, a, b, err)
		}
	})
}

func FuzzParseContext(f *testing.F) {
	f.Add([]byte(metaFor("tcp://h")))
	f.Add([]byte(`{"Endpoints":{"docker":null}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parseContext(data)
		_, _ = parseCurrentContext(data)
	})
}

func TestThePlaceIsTheEngineHoweverItIsReached(t *testing.T) {
	host := Options{Host: "tcp://e:2376"}
	secured := Options{Host: "tcp://e:2376", CA: "/ca", Timeout: time.Second}
	if host.Place() != secured.Place() {
		t.Errorf("%q and %q are one engine", host.Place(), secured.Place())
	}
	places := map[string]bool{host.Place(): true}
	for _, o := range []Options{{}, {Host: "tcp://f:2376"}, {Context: "e"}, {Context: "f"}} {
		if places[o.Place()] {
			t.Errorf("%+v has a place of another engine", o)
		}
		places[o.Place()] = true
	}
}
