package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/targets"
)

// stubborn is the example's kind, but one that cannot forget.
type (
	stubborn       struct{ *Target }
	stubbornOption struct{ Options }
)

func (o stubbornOption) New() (config.Destination, error) {
	return stubborn{&Target{path: o.Path}}, nil
}

func (s stubborn) Forget(context.Context, func(string) bool) error {
	return &fault.Error{Reason: fault.Local, Op: "forget logins in " + s.path, Err: errors.New("this kind cannot"), Hint: "delete the file"}
}

// kindRig runs commands with a table that has two kinds more, in an AWS of its own.
type kindRig struct {
	t    *testing.T
	dir  string
	file string // the configuration
}

func newKindRig(t *testing.T) kindRig {
	aws, err := emulator.Start(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	p, dir := emulator.DefaultPrincipal(), t.TempDir()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": aws.Endpoint(), "AWS_ACCESS_KEY_ID": p.AccessKeyID, "AWS_SECRET_ACCESS_KEY": p.SecretAccessKey,
		"AWS_EC2_METADATA_DISABLED": "true", "HOME": dir, "RUNTIME_DIRECTORY": dir, "STATE_DIRECTORY": dir, "ECR_REFRESHD_SOCKET": filepath.Join(dir, "s"), "DOCKER_HOST": "unix://" + dir + "/none"} {
		t.Setenv(name, value)
	}
	return kindRig{t, dir, filepath.Join(dir, "c.yaml")}
}

// configure writes the configuration, in which DIR stands for the rig's directory.
func (r kindRig) configure(yaml string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(strings.ReplaceAll(yaml, "DIR", r.dir)), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r kindRig) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	f := newFlags()
	f.kinds = append(slices.Clone(targets.Kinds),
		config.Kind{Type: "example", Read: Read},
		config.Kind{Type: "stubborn", Read: func(b *config.Block) config.Options { return stubbornOption{Read(b).(Options)} }})
	var out, err bytes.Buffer
	code = f.execute(ctx, append(args, "--config", r.file, "--log-level", "warn", "--log-format", "json"), &out, &err)
	return code, out.String(), err.String()
}

func (r kindRig) content(name string) string {
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return string(data)
}

// await waits until the hosts in the file are those of the regions.
func (r kindRig) await(name string, regions ...string) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var got []string
		for s := range strings.Lines(r.content(name)) {
			if _, rest, ours := strings.Cut(hostOf(s), ".dkr.ecr."); ours {
				got = append(got, strings.TrimSuffix(rest, ".amazonaws.com"))
			}
		}
		if slices.Sort(got); slices.Equal(got, slices.Sorted(slices.Values(regions))) {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%s holds logins for %v, want %v", name, got, regions)
		}
	}
}

// run, undo, reload, release, logout and check, on a kind of which nothing but the
// table knows.
func TestAKindIsOneLineOfTheTable(t *testing.T) {
	const (
		both = "registries: [{region: us-east-1}, {region: eu-west-1}]\n"
		one  = "registries: [{region: us-east-1}]\n"
	)
	r := newKindRig(t)
	r.configure(both + "targets: [{type: example, path: DIR/logins}]\n")

	if code, out, stderr := r.run(t.Context(), "check"); code != exitOK || !strings.Contains(out, "example  example  "+r.dir+"/logins") {
		t.Fatalf("check: %d %s %s", code, out, stderr)
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := r.run(ctx, "run")
		ended <- code
	}()
	t.Cleanup(stop)
	r.await("logins", "us-east-1", "eu-west-1") // stored

	if err := os.WriteFile(filepath.Join(r.dir, "logins"), []byte("other.example.com x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.await("logins", "us-east-1", "eu-west-1") // undone, and back
	if !strings.HasPrefix(r.content("logins"), "other.example.com x\n") {
		t.Error("a line that is not ours is lost")
	}

	reload := func(yaml string) {
		r.configure(yaml)
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	reload(one + "targets: [{type: example, name: renamed, path: DIR/logins}]\n")
	r.await("logins", "us-east-1") // released
	reload(one + "targets: [{type: example, path: DIR/elsewhere}]\n")
	r.await("elsewhere", "us-east-1")
	r.await("logins") // released in the place that is no longer configured
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("run: %d", code)
	}

	if code, _, stderr := r.run(t.Context(), "logout"); code != exitOK || stderr != "" || r.content("elsewhere") != "" {
		t.Errorf("logout: %d %q, and %q is left", code, stderr, r.content("elsewhere"))
	}
	if r.content("logins") != "other.example.com x\n" {
		t.Errorf("in the other file is %q", r.content("logins"))
	}
}

// As renew.Target demands it of every kind.
func TestTheExampleReturnsInTimeWhereItsFileHangs(t *testing.T) {
	calls := map[string]func(*Target, context.Context) error{
		"Store":   func(t *Target, ctx context.Context) error { return t.Store(ctx, nil) },
		"Stale":   func(t *Target, ctx context.Context) error { _, err := t.Stale(ctx, nil); return err },
		"Remove":  func(t *Target, ctx context.Context) error { return t.Remove(ctx, nil) },
		"Release": func(t *Target, ctx context.Context) error { return t.Release(ctx, nil) },
		"Forget":  func(t *Target, ctx context.Context) error { return t.Forget(ctx, func(string) bool { return true }) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := &Target{path: filepath.Join(t.TempDir(), "logins")}
				hang := make(chan struct{})
				go target.within(t.Context(), "hang", func() error { <-hang; return nil })
				synctest.Wait()
				began := time.Now()
				if err := call(target, t.Context()); !fault.Has(err, fault.Local) || time.Since(began) != limit {
					t.Errorf("after %s: %v", time.Since(began), err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				began = time.Now()
				if err := call(target, ctx); !fault.Has(err, fault.Local) || time.Since(began) != 0 {
					t.Errorf("after ctx's end and %s: %v", time.Since(began), err)
				}
				close(hang)
				synctest.Wait()
				if err := call(target, t.Context()); err != nil {
					t.Errorf("when it does not hang any more: %v", err)
				}
			})
		})
	}
}

func TestMistakesInAnyKindReadAlike(t *testing.T) {
	r := newKindRig(t)
	tests := []struct{ name, targets, want string }{
		{"no path", "[{type: example}]", `:2:11: targets[0]: has no path; write path: `},
		{"wrong path", "[{type: example, path: x}]", `:2:33: targets[0].path: "x" is not an absolute path; write one that begins with /`},
		{"wrong key", "[{type: example, path: /x, mode: 1}]", `:2:37: targets[0].mode: "mode" is not a key here; write one of type, name, path`},
		{"no type", "[{path: /x}]", `targets[0]: has no type; write type: engine, type: docker-config, `},
		{"one place", "[{type: example, path: /x}, {type: docker-config, path: /y/../x}]", "targets[1]: is the same place as the target in line 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.configure("registries: [{region: us-east-1}]\ntargets: " + tt.targets + "\n")
			if code, _, stderr := r.run(t.Context(), "check"); code != exitUsage || !strings.Contains(stderr, tt.want) {
				t.Errorf("%d %q, want %q", code, stderr, tt.want)
			}
		})
	}
}

func TestLogoutNamesATargetThatCannotForget(t *testing.T) {
	r := newKindRig(t)
	r.configure("registries: [{region: us-east-1}]\ntargets: [{type: stubborn, path: DIR/a}, {type: example, path: DIR/b}]\n")
	if code, _, stderr := r.run(t.Context(), "once"); code != exitOK {
		t.Fatalf("once: %d %s", code, stderr)
	}
	code, _, stderr := r.run(t.Context(), "logout")
	if want := "ecr-refreshd: forget logins in " + r.dir + "/a: this kind cannot; delete the file\n"; code != exitFailed || stderr != want {
		t.Errorf("%d %q, want %q", code, stderr, want)
	}
	if r.content("a") == "" || r.content("b") != "" {
		t.Errorf("left are %q and %q", r.content("a"), r.content("b"))
	}
}

// An engine holds nothing, so there is nothing to forget.
func TestLogoutOfAnEngineIsNoError(t *testing.T) {
	r := newKindRig(t)
	r.configure("registries: [{region: us-east-1}]\ntargets: [{type: engine}]\n")
	if code, stdout, stderr := r.run(t.Context(), "logout"); code != exitOK || stdout+stderr != "" {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}
