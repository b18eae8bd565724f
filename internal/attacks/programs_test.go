package attacks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// builds tells whether there is something to remove.
var builds atomic.Bool

// built is the daemon, built once; main removes it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "attacks-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "ecr-refreshd/cmd/ecr-refreshd").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w: %s", err, out)
	}
	return filepath.Join(dir, "ecr-refreshd"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if builds.Load() {
		if binary, err := built(); err == nil {
			_ = os.RemoveAll(filepath.Dir(binary))
		}
	}
	os.Exit(code)
}

// site is what one run of the program needs: a grant whose road is attacked, and a
// good one beside it.
type site struct {
	t      *testing.T
	cloud  *cloud // of the road
	good   *cloud
	home   string
	env    []string
	config string
	// limit is put before the program where its memory is bounded.
	limit []string
}

// underLimit keeps what has no bound from taking the machine along: 4 GiB of addresses, of which a Go
// program uses a part.
var underLimit = []string{"/bin/sh", "-c", `ulimit -v 4194304; exec "$@"`, "sh"}

const (
	goodHost = account + ".dkr.ecr.eu-west-1.amazonaws.com"
	patience = 60 * time.Second // until something is wrong
)

func (r road) site(t *testing.T, c *cloud) *site {
	t.Helper()
	s := &site{t: t, cloud: c, good: newCloud(t), home: t.TempDir(), limit: underLimit}
	env, id := r.prepare(c, s.home)
	write(s.home, ".aws/credentials", "[good]\naws_access_key_id=AKIAGOOD\naws_secret_access_key="+s.good.secret("secret_access_key", 40)+"\n")
	if _, err := os.Stat(env["AWS_CONFIG_FILE"]); err != nil {
		write(s.home, ".aws/config", "")
	}
	attacked := fmt.Sprintf("{account: %q, region: us-east-1, aws: %s}", account, block(id))
	if r.public {
		attacked = fmt.Sprintf("{public: true, aws: %s}", block(id))
	}
	s.config = filepath.Join(s.home, "config.yaml")
	write(s.home, "config.yaml", "registries:\n  - "+attacked+fmt.Sprintf("\n  - {account: %q, region: eu-west-1, aws: {profile: good, endpoint_url: %q}}\n", account, s.good.URL)+
		fmt.Sprintf("targets: [{type: docker-config, path: %q}]\nsocket: {path: %q}\nrefresh: {timeout: 5s}\n", filepath.Join(s.home, "docker.json"), s.socket()))
	all := map[string]string{"PATH": os.Getenv("PATH"), "STATE_DIRECTORY": filepath.Join(s.home, "state")}
	maps.Copy(all, env)
	for name, text := range all {
		if text != "" {
			s.env = append(s.env, name+"="+text)
		}
	}
	return s
}

func (s *site) socket() string { return filepath.Join(s.home, "s") }

// block is an identity in a configuration.
func block(id login.Identity) string {
	keys := map[string]any{}
	if id.Profile != "" {
		keys["profile"] = id.Profile
	}
	if len(id.RoleARNs) > 0 {
		keys["role_arn"] = id.RoleARNs
	}
	if id.ExternalID != "" {
		keys["external_id"] = id.ExternalID
	}
	if len(id.MFACommand) > 0 {
		mfa := map[string]any{"code_command": id.MFACommand}
		if id.MFASerial != "" {
			mfa["serial"] = id.MFASerial
		}
		keys["mfa"] = mfa
	}
	text, err := json.Marshal(keys)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// outcome is how a run of the program ended.
type outcome struct {
	said string // all that it has printed
	code int
	bad  registry
	good registry
	// memory is the most, in KiB, that the program has held, but for its last moments.
	memory int64
	took   time.Duration
}

type registry struct {
	Host, State string
	Error       *struct{ Reason, Message string }
}

// read takes the two registries out of a status.
func (o *outcome) read(text []byte) error {
	var status struct{ Registries []registry }
	if err := json.Unmarshal(text, &status); err != nil {
		return err
	}
	for _, r := range status.Registries {
		if r.Host == goodHost {
			o.good = r
		} else {
			o.bad = r
		}
	}
	return nil
}

// command is the program with args; it ends with the test.
func (s *site) command(ctx context.Context, args ...string) *exec.Cmd {
	s.t.Helper()
	builds.Store(true)
	binary, err := built()
	if err != nil {
		s.t.Fatal(err)
	}
	line := append(append([]string{}, s.limit...), binary)
	cmd := exec.CommandContext(ctx, line[0], append(line[1:], args...)...)
	cmd.Env, cmd.Dir = s.env, s.home
	cmd.WaitDelay = time.Second
	return cmd
}

// once runs the command of that name to its end.
func (s *site) once() outcome {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := s.command(ctx, "once", "--config", s.config, "--output", "json", "--log-level", "debug", "--log-format", "json")
	var out, errs bounded
	cmd.Stdout, cmd.Stderr = &out, &errs
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	peak := peakOf(cmd.Process.Pid, ended)
	_ = cmd.Wait() // the exit code tells
	close(ended)
	o := outcome{said: out.String() + errs.String(), code: cmd.ProcessState.ExitCode(), memory: <-peak, took: time.Since(begun)}
	if err := o.read(out.Bytes()); err != nil {
		o.said += "\nno JSON: " + err.Error()
	}
	return o
}

// peakOf tells, once the process has ended, how much it has held, in KiB. Its rusage
// would count what this process held when it was started.
func peakOf(pid int, ended <-chan struct{}) <-chan int64 {
	result := make(chan int64, 1)
	go func() {
		var most int64
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // empty once it is over
			if _, rest, found := strings.Cut(string(status), "VmHWM:"); found {
				number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
				now, _ := strconv.ParseInt(number, 10, 64)
				most = max(most, now)
			}
			select {
			case <-ended:
				result <- most
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return result
}

// bounded is a writer that keeps the first 4 MiB. It is no bytes.Buffer: what copies to
// one goes past Write.
type bounded struct {
	mu   sync.Mutex
	kept []byte
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p[:min(len(p), 4<<20-len(b.kept))]...)
	return len(p), nil
}

func (b *bounded) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.kept)
}

func (b *bounded) String() string { return string(b.Bytes()) }

// run starts the daemon under a service manager, waits until its first round is over,
// asks for its status, and ends it.
func (s *site) run() outcome {
	s.t.Helper()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(s.home, "n")})
	if err != nil {
		s.t.Fatal(err)
	}
	defer manager.Close()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	cmd := s.command(ctx, "run", "--config", s.config, "--log-level", "debug")
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+manager.LocalAddr().String())
	var errs bounded
	cmd.Stdout, cmd.Stderr = &errs, &errs
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ready, told := make(chan struct{}), make(chan string)
	go func() {
		var all strings.Builder
		notice := make([]byte, 64<<10)
		for isReady := false; ; {
			n, err := manager.Read(notice)
			if err != nil {
				told <- all.String()
				return
			}
			all.Write(append(notice[:n:n], '\n'))
			if !isReady && bytes.Contains(notice[:n], []byte("READY=1")) {
				isReady = true
				close(ready)
			}
		}
	}()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	var o outcome
	select {
	case <-ready:
		status, err := s.status(ctx)
		if err == nil {
			err = o.read(status)
		}
		o.said = string(status)
		if err != nil {
			o.said += err.Error()
		}
	case <-ended:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	<-ended
	_ = manager.Close()
	o.said += errs.String() + <-told
	o.code = cmd.ProcessState.ExitCode()
	return o
}

// status is what the local API answers.
func (s *site) status(ctx context.Context) ([]byte, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket())
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(io.LimitReader(response.Body, 1<<20))
}

// sound checks that the program did not crash and that the other grant is well.
func (o outcome) sound(t *testing.T, what string) {
	t.Helper()
	if o.code != 0 && o.code != 1 || strings.Contains(o.said, "goroutine ") || o.good.State != "fresh" {
		t.Errorf("%s: exit code %d, the other grant is %q: %s", what, o.code, o.good.State, head(o.said, 600))
	}
}

func head(text string, length int) string { return text[:min(len(text), length)] }

// TestTheProgramsShowNoEcho is TestNoEchoIsShown for what only a whole program
// shows: the log, standard output, the status of the local API, and what the
// service manager is told.
func TestTheProgramsShowNoEcho(t *testing.T) {
	needPrograms(t)
	for i, r := range roads {
		for _, request := range r.requests {
			t.Run(r.name+"/"+request, func(t *testing.T) {
				report := newReport()
				for j, echo := range echoes {
					unsolicited := strings.HasPrefix(echo.answer, "{honest}")
					if !unsolicited && leftOut(i+j, 8) {
						continue
					}
					e := encodings[0]
					if !unsolicited {
						e = encodings[(i+j)%len(encodings)]
					}
					c := newCloud(t)
					s := r.site(t, c)
					c.victim, c.attack = request, attack{echo.answer, e.encode, j}
					verb, run := "once", s.once
					if (i+j)%2 == 0 {
						verb, run = "run", s.run
					}
					o := run()
					o.sound(t, verb+", "+echo.name)
					if c.count(request) == 0 {
						t.Errorf("%s, %s: not asked: %s", verb, echo.name, head(o.said, 600))
					}
					report.add(verb+", "+echo.name, e.name, c.ledger.search(o.said))
				}
				report.fail(t)
			})
		}
	}
}
