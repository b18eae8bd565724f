package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
)

// binary is the program, built once as it is shipped.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "credential-helper")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// Another user runs it in one of the tests.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "docker-credential-ecr-refreshd")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.release=1.2.3", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// watchSources keeps go test from repeating a result from before the program
// changed: it is no part of the test binary, but files that a test looks at count.
func watchSources(t *testing.T) {
	t.Helper()
	for _, pattern := range []string{"*.go", "../../internal/credhelper/*.go"} {
		sources, err := filepath.Glob(pattern)
		if err != nil || len(sources) == 0 {
			t.Fatalf("%s: %v, %v", pattern, sources, err)
		}
		for _, source := range sources {
			if _, err := os.Stat(source); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// daemon answers on a Unix socket as the local API does.
func daemon(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(status int, line string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "text/plain" {
				t.Errorf("%s asks for %q", r.URL, r.Header.Get("Accept"))
			}
			http.Error(w, line, status)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/credentials/ours.example", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"ServerURL":"ours.example","Username":"AWS","Secret":"s3cret"}`)
	})
	mux.HandleFunc("GET /v1/credentials", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `{"ours.example":"AWS"}`)
	})
	mux.HandleFunc("GET /v1/credentials/theirs.example", refuse(403, "user id 1000 may not have this login; name the user in socket.allow"))
	mux.HandleFunc("GET /v1/credentials/late.example", refuse(503, "get authorization token: denied; add the permission"))
	mux.HandleFunc("GET /v1/credentials/broken.example", refuse(500, "oh\x1b[31m\nno"))
	mux.HandleFunc("GET /v1/credentials/", refuse(404, "not a registry of the configuration"))
	server := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return path
}

// command prepares a call with nothing in its environment but the socket.
func command(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"ECR_REFRESHD_SOCKET=" + path}
	return cmd
}

// run gives standard output and the exit code. Nothing may ever come on standard error.
func run(t *testing.T, cmd *exec.Cmd, input string) (string, int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if stderr.Len() > 0 {
		t.Errorf("on standard error: %s", stderr.String())
	}
	return stdout.String(), cmd.ProcessState.ExitCode()
}

func TestProtocol(t *testing.T) {
	watchSources(t)
	const usage = `usage: docker-credential-ecr-refreshd get|list|store|erase|kubelet|version
A credential helper that Docker runs; it asks the ecr-refreshd daemon of this host.
  get      reads a registry's host name on standard input, prints its login as JSON
  list     prints the registries that this user has a login for
  store    does nothing for the registries of ecr-refreshd, and refuses others
  erase    does nothing
  kubelet  answers as a credential provider plugin of the kubelet
  version  prints the version
`
	const notOurs = "ecr-refreshd: store: not a registry of the daemon's configuration, and no other login is kept; " +
		"in config.json, name ecr-refreshd in credHelpers for its registries instead of in credsStore for all, or add the registry to the configuration\n"
	const login = `{"ServerURL":"ours.example","Username":"AWS","Secret":"s3cret"}` + "\n"
	tests := []struct {
		name, args, input, want string
		code                    int
	}{
		{"get", "get", "ours.example", login, 0},
		{"get as clients write it", "get", "https://Ours.Example/v2/\n", login, 0},
		{"get a foreign host", "get", "https://index.docker.io/v1/", "credentials not found in native keychain\n", 1},
		{"get what is no host", "get", "me@ours.example", "credentials not found in native keychain\n", 1},
		{"get nothing", "get", "\n", "no credentials server URL\n", 1},
		{"get two lines", "get", "a\nours.example", "ecr-refreshd: the server's name has a space or a control character in it\n", 1},
		{"get what the user may not have", "get", "theirs.example",
			"ecr-refreshd: user id 1000 may not have this login; name the user in socket.allow\n", 1},
		{"get without a valid token", "get", "late.example", "ecr-refreshd: get authorization token: denied; add the permission\n", 1},
		{"get from a broken daemon", "get", "broken.example", "ecr-refreshd: oh [31m no\n", 1},
		{"list", "list", "unused", `{"ours.example":"AWS"}` + "\n", 0},
		{"store ours", "store", `{"ServerURL":"https://ours.example","Username":"AWS","Secret":"s3cret"}`, "", 0},
		{"store ours without a valid token", "store", `{"ServerURL":"late.example","Username":"AWS","Secret":"s3cret"}`, "", 0},
		{"store a foreign login", "store", `{"ServerURL":"docker.io","Username":"me","Secret":"s3cret"}`, notOurs, 1},
		{"store what is no host", "store", `{"ServerURL":"me@docker.io","Username":"me","Secret":"s3cret"}`, notOurs, 1},
		{"store what the user may not have", "store", `{"ServerURL":"theirs.example","Username":"me","Secret":"s3cret"}`,
			fmt.Sprintf(`ecr-refreshd: store "theirs.example": user id %d may not have the login of this registry; `+
				"an administrator can name the user in allow of the registry or of socket in the daemon's configuration\n", os.Geteuid()), 1},
		{"store in a broken daemon", "store", `{"ServerURL":"broken.example","Secret":"s3cret"}`,
			"ecr-refreshd: the daemon answered with status 500 and no reason\n", 1},
		{"store no server", "store", `{"Username":"me","Secret":"s3cret"}`, "no credentials server URL\n", 1},
		{"store no JSON", "store", `s3cret`, `ecr-refreshd: store: standard input is not JSON with "ServerURL", "Username" and "Secret"` + "\n", 1},
		{"erase ours", "erase", "ours.example", "", 0},
		{"erase a foreign login", "erase", "docker.io", "", 0},
		{"version", "version", "", "docker-credential-ecr-refreshd 1.2.3\n", 0},
		{"version as a flag", "--version", "", "docker-credential-ecr-refreshd 1.2.3\n", 0},
		{"help", "--help", "", usage, 0},
		{"nothing to do", "", "", usage, 1},
		{"unknown command", "fetch", "", usage, 1},
		{"too many arguments", "get ours.example", "", usage, 1},
	}
	path := daemon(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, code := run(t, command(path, strings.Fields(tt.args)...), tt.input)
			if got != tt.want || code != tt.code {
				t.Errorf("got %d, %q, want %d, %q", code, got, tt.code, tt.want)
			}
		})
	}
}

// TestDockersOwnClient talks to the program as docker, skopeo and crane do.
func TestDockersOwnClient(t *testing.T) {
	env := map[string]string{"ECR_REFRESHD_SOCKET": daemon(t)}
	program := client.NewShellProgramFuncWithEnv(binary, &env)
	got, err := client.Get(program, "https://ours.example")
	if want := (credentials.Credentials{ServerURL: "ours.example", Username: "AWS", Secret: "s3cret"}); err != nil || *got != want {
		t.Errorf("get: got %v, %v", got, err)
	}
	if _, err := client.Get(program, "docker.io"); !credentials.IsErrCredentialsNotFound(err) {
		t.Errorf("get a foreign host: got %v", err)
	}
	if _, err := client.Get(program, ""); err == nil || !strings.Contains(err.Error(), "no credentials server URL") {
		t.Errorf("get nothing: got %v", err)
	}
	if hosts, err := client.List(program); err != nil || len(hosts) != 1 || hosts["ours.example"] != "AWS" {
		t.Errorf("list: got %v, %v", hosts, err)
	}
	if err := client.Store(program, got); err != nil {
		t.Errorf("store: %v", err)
	}
	if err := client.Erase(program, "https://ours.example"); err != nil {
		t.Errorf("erase: %v", err)
	}
}

func TestVersionAndEraseNeedNoDaemon(t *testing.T) {
	for _, arg := range []string{"version", "erase", "help"} {
		if out, code := run(t, command("/nowhere", arg), "ours.example"); code != 0 {
			t.Errorf("%s: got %d, %q", arg, code, out)
		}
	}
}

func TestNoStackWhenNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr bytes.Buffer
	cmd := command(daemon(t), "get")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("ours.example"), w, &stderr
	err = cmd.Run()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || !ok || status.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
		t.Errorf("got %v, %q", err, stderr.String())
	}
}

func TestAUserOutsideTheSocketsGroupIsToldSo(t *testing.T) {
	path := daemon(t)
	cmd := command(path, "get")
	uid := os.Getuid()
	if uid == 0 {
		uid = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	probe := exec.Command(binary, "version")
	probe.SysProcAttr = cmd.SysProcAttr
	if err := probe.Run(); errors.Is(err, fs.ErrPermission) {
		skip(t, "another user may not run programs below the temporary directory: %v", err)
	}
	want := fmt.Sprintf("ecr-refreshd: connect to %q: permission denied: the socket's group or mode does not let user id %d in; "+
		"set socket.group or socket.allow in the daemon's configuration\n", path, uid)
	if got, code := run(t, cmd, "111122223333.dkr.ecr.us-east-1.amazonaws.com"); code != 1 || got != want {
		t.Errorf("got %d, %q, want %q", code, got, want)
	}
}

// Whoever starts a program of another user must not choose who answers it.
func TestAProgramOfAnotherUserIgnoresTheEnvironment(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "needs root, to make a program another user's")
	}
	var mount syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(binary), &mount); err != nil {
		t.Fatal(err)
	}
	const nosuid = 2 // MS_NOSUID
	if mount.Flags&nosuid != 0 {
		skip(t, "the temporary directory is mounted nosuid")
	}
	path := daemon(t)
	dir := filepath.Dir(path)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	const owner, caller = 47001, 47002
	tests := []struct {
		name  string
		mode  fs.FileMode
		asked bool // the daemon that the environment names
	}{
		{"setuid", 0o755 | fs.ModeSetuid, false},
		{"setgid", 0o755 | fs.ModeSetgid, false},
		{"neither", 0o755, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(filepath.Dir(binary), tt.name)
			if err := errors.Join(os.WriteFile(file, program, 0o755), os.Chown(file, owner, owner), os.Chmod(file, tt.mode)); err != nil {
				t.Fatal(err)
			}
			// With a daemon that is not there it takes its patience. All the files are
			// written first: a process that is being started would hold one open.
			t.Parallel()
			cmd := exec.Command(file, "get")
			cmd.Env = []string{"ECR_REFRESHD_SOCKET=" + path}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: caller, Gid: caller}}
			got, code := run(t, cmd, "late.example")
			if asked := strings.Contains(got, "get authorization token: denied"); asked != tt.asked || code != 1 {
				t.Errorf("got %d, %q", code, got)
			}
		})
	}
}

// skip leaves a test out, unless that is forbidden.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// TestProgramStaysSmall guards its start-up time: each of these packages adds to
// it, measurably.
func TestProgramStaysSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := []string{"ecr-refreshd/cmd/docker-credential-ecr-refreshd", "ecr-refreshd/internal/credhelper", "ecr-refreshd/internal/nodump", "ecr-refreshd/internal/registry"}
	heavy := []string{"net/http", "crypto", "flag", "log", "log/slog", "regexp", "os/exec", "os/user", "os/signal", "text/template"}
	for _, dep := range strings.Fields(string(out)) {
		first, _, nested := strings.Cut(dep, "/")
		foreign := strings.Contains(first, ".") && nested || first == "ecr-refreshd" && !slices.Contains(own, dep)
		if foreign || slices.Contains(heavy, dep) {
			t.Errorf("the program depends on %s", dep)
		}
	}
}
