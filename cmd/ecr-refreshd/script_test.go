package main

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/emulator"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ecr-refreshd": main})
}

// TestScripts runs testdata/script: each is what a person types and what they
// see. Every script has an AWS of its own, a home, and nothing else of this machine.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			aws, err := emulator.Start(emulator.Options{})
			if err != nil {
				return err
			}
			env.Defer(aws.Close)
			p := emulator.DefaultPrincipal()
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("RUNTIME_DIRECTORY", filepath.Join(env.WorkDir, "run"))
			env.Setenv("STATE_DIRECTORY", filepath.Join(env.WorkDir, "state"))
			env.Setenv("ECR_REFRESHD_SOCKET", filepath.Join(env.WorkDir, "run", "ecr-refreshd.sock"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
			env.Setenv("AWS_ENDPOINT_URL", aws.Endpoint())
			env.Setenv("AWS_ACCESS_KEY_ID", p.AccessKeyID)
			env.Setenv("AWS_SECRET_ACCESS_KEY", p.SecretAccessKey)
			env.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			env.Setenv("DOCKER_HOST", "unix://"+filepath.Join(env.WorkDir, "no-docker.sock"))
			env.Values[key{}] = aws
			env.Values[deadKey{}] = new(int)
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":  await,
			"faulty": faulty,
			"exits":  exits,
			"calls":  calls,
			"reach":  reach,
			"signal": send,
			"deadfs": deadFS,
			"hangs":  hangs,
			"echoes": echoes,
		},
	})
}

type key struct{}

func awsOf(ts *testscript.TestScript) *emulator.Server { return ts.Value(key{}).(*emulator.Server) }

// await FILE REGEXP: until the file holds it, or half a minute has passed.
func await(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[1])
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && re.Match(data) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not come to match %q (negated: %v); it holds:\n%s", args[0], args[1], neg, data)
		}
	}
}

// faulty OPERATION CODE: AWS answers so from now on.
func faulty(ts *testscript.TestScript, _ bool, args []string) {
	awsOf(ts).Inject(emulator.Fault{Operation: args[0], Code: args[1], Message: strings.Join(args[2:], " "), Status: 400})
}

// calls OPERATION N: that many have been made.
func calls(ts *testscript.TestScript, _ bool, args []string) {
	if n := awsOf(ts).CallCount(args[0]); args[1] != string(rune('0'+n)) {
		ts.Fatalf("%d calls of %s, want %s", n, args[0], args[1])
	}
}

// reach OPERATION N: until that many have been made, or half a minute has passed.
func reach(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); awsOf(ts).CallCount(args[0]) < int(args[1][0]-'0'); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%d calls of %s, want %s", awsOf(ts).CallCount(args[0]), args[0], args[1])
		}
	}
}

// exits CODE COMMAND...: the command ends with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s: %v", code, args[0], err)
	}
}

// echoes puts an AWS in the place of the former that sends each answer twice.
func echoes(ts *testscript.TestScript, _ bool, _ []string) {
	aws, err := url.Parse(awsOf(ts).Endpoint())
	ts.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					request.RequestURI, request.URL.Scheme, request.URL.Host = "", aws.Scheme, aws.Host
					answer, err := http.DefaultTransport.RoundTrip(request)
					if err != nil {
						return
					}
					whole, err := httputil.DumpResponse(answer, true)
					if err != nil {
						return
					}
					_, _ = c.Write(append(whole, whole...))
				}
			}()
		}
	}()
	ts.Setenv("AWS_ENDPOINT_URL", "http://"+l.Addr().String())
}

// send is signal NAME [COMMAND]: to what runs COMMAND, by default run, in the background.
func send(ts *testscript.TestScript, _ bool, args []string) {
	command := "ecr-refreshd " + append(args, "run")[1]
	for _, c := range ts.BackgroundCmds() {
		if strings.Contains(c.String(), command) {
			ts.Check(c.Process.Signal(unix.SignalNum("SIG" + args[0])))
			return
		}
	}
	ts.Fatalf("no %s to signal", command)
}
