package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/osuser"
)

// clientFiles are below a home: who has one of them has a client that was set up.
var clientFiles = []string{".docker/config.json", "snap/docker", ".config/containers/auth.json", ".config/helm/registry/config.json", ".regctl/config.json"}

// usualPath is what cron and services have, for accounts whose environment is not known.
const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Host makes Clients for this host: all accounts for root, and otherwise the caller alone.
// user names one account; empty for all.
func Host(user string) Clients {
	self := os.Geteuid()
	return Clients{
		Installed: installed(),
		Accounts:  func(ctx context.Context) ([]osuser.Account, error) { return accounts(ctx, user, self) },
		Eye: func(a osuser.Account) clientview.Eye {
			if a.UID == self {
				return clientview.Eye{Account: a, Getenv: os.Getenv, Stat: os.Stat}
			}
			return eyeOf(a)
		},
		Helper: func(ctx context.Context, a osuser.Account, path, host string) error {
			return runHelper(ctx, a, self, path, host)
		},
	}
}

// installed is where our credential helper is: beside this program, or on PATH.
func installed() string {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), credhelper.Name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(credhelper.Name)
	if err != nil {
		return ""
	}
	return path
}

func accounts(ctx context.Context, user string, self int) ([]osuser.Account, error) {
	if user != "" {
		a, err := osuser.Lookup(ctx, user)
		if err != nil {
			return nil, err
		}
		if self != 0 && a.UID != self {
			return nil, fmt.Errorf("look as %q: only root can do that: run it with sudo", user)
		}
		return []osuser.Account{*a}, nil
	}
	passwd, err := os.Open("/etc/passwd")
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	var all []osuser.Account
	for lines := bufio.NewScanner(passwd); lines.Scan(); {
		a, err := osuser.ParseUser(lines.Text())
		if err != nil || self != 0 && a.UID != self || self == 0 && a.UID != 0 && !hasClient(a.Home) {
			continue
		}
		if known, err := osuser.Lookup(ctx, a.Name); err == nil {
			a = known // with its groups
		}
		all = append(all, *a)
	}
	return all, nil
}

func hasClient(home string) bool {
	for _, name := range clientFiles {
		// A link may lead to a file system that hangs. The look at the account then reports it.
		_, err := as(nil, func() (fs.FileInfo, error) { return os.Lstat(filepath.Join(home, name)) })
		if err == nil || errors.Is(err, filetrust.ErrHangs) {
			return true
		}
	}
	return false
}

// environmentOf is what a login of the account sets.
func environmentOf(a osuser.Account) map[string]string {
	return map[string]string{"HOME": a.Home, "PATH": usualPath, "XDG_RUNTIME_DIR": "/run/user/" + strconv.Itoa(a.UID)}
}

// eyeOf looks as another account does, of whose environment no more is known than what
// a login sets.
func eyeOf(a osuser.Account) clientview.Eye {
	environment := environmentOf(a)
	return clientview.Eye{
		Account: a,
		Getenv:  func(name string) string { return environment[name] },
		Read:    func(path string) ([]byte, error) { return as(&a, func() ([]byte, error) { return read(path) }) },
		Stat: func(path string) (fs.FileInfo, error) {
			return as(&a, func() (fs.FileInfo, error) { return os.Stat(path) })
		},
	}
}

// as runs f with the account's rights; nil stands for this process's. It waits for a file system that hangs no longer than
// a person would.
func as[T any](a *osuser.Account, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = osuser.As(a, func() (err error) {
			r.value, err = f()
			return err
		})
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-time.After(time.Second):
		return *new(T), filetrust.ErrHangs
	}
}

// read reads a regular file on the thread on which it is called: filetrust.Read takes
// another one, which does not have the account's rights.
func read(path string) ([]byte, error) {
	f, err := filetrust.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, clientview.MaxFile+1))
	if err == nil && len(data) > clientview.MaxFile {
		err = filetrust.ErrTooLarge
	}
	return data, err
}

// runHelper runs our credential helper as the account. Of what it prints, only an error is kept.
func runHelper(ctx context.Context, a osuser.Account, self int, path, host string) error {
	ctx, cancel := context.WithTimeout(ctx, 2500*time.Millisecond) // it waits 2 s for a daemon that restarts
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "get")
	cmd.Stdin = strings.NewReader(host)
	cmd.WaitDelay = time.Second
	var out limited
	cmd.Stdout = &out
	// In a session of its own, a program that the account has taken over cannot type into
	// our terminal; and what it started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = append(os.Environ(), credhelper.OnError+"=") // the error is wanted
	if a.UID != self {
		cmd.Env = nil
		for name, value := range environmentOf(a) {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.Dir = "/"
		groups := make([]uint32, len(a.Groups))
		for i, g := range a.Groups {
			groups[i] = uint32(g)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID), Groups: groups}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s does not answer; see systemctl status ecr-refreshd", path)
	case out.overflowed:
		return errTooLong
	case errors.As(err, &exit):
		return errors.New(login.NewRedactor().Clean(out.buffer.String()))
	case err != nil:
		return err
	case !json.Valid(out.buffer.Bytes()):
		return fmt.Errorf("what %s prints is not a login; install the helper of the daemon's version", path)
	}
	return nil
}

// maxAnswer bounds what a helper may print, in bytes.
const maxAnswer = 64 << 10

// limited takes no more than maxAnswer bytes. The buffer is not embedded: its ReadFrom,
// which io.Copy prefers, knows no limit.
type limited struct {
	buffer     bytes.Buffer
	overflowed bool // the program then ends by SIGPIPE, and its exit code says nothing
}

func (l *limited) Write(p []byte) (int, error) {
	if l.buffer.Len()+len(p) > maxAnswer {
		l.overflowed = true
		return 0, errTooLong
	}
	return l.buffer.Write(p)
}

var errTooLong = errors.New("the credential helper prints more than a login; install the helper of the daemon's version")
