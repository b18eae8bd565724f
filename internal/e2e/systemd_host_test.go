package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/testbed"
)

// unitsDir has the files of deploy/systemd; the tests run in their package's
// directory.
var unitsDir = filepath.Join("..", "..", "deploy", "systemd")

// host is a machine with a real service manager: systemd as the first process of
// a container that has this machine's files, and changes to them of its own. It
// shares the network of the bed, so that the emulated AWS is there as well, and has
// the engine's socket at the usual place.
type host struct {
	*scene
	root string // its files, as seen from here
	init int    // the process id of its systemd, as seen from here
}

// newHost makes the files of a host and boots nothing. Nothing that this machine
// has enabled starts there. Its accounts are the bed's, with homes in /home.
func (s *scene) newHost() *host {
	s.t.Helper()
	for _, program := range []string{"systemd-nspawn", "systemd-sysusers", "systemctl", "nsenter", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			lacks(s.t, &testbed.LackError{What: program, Remedy: "apt-get install systemd systemd-container"})
		}
	}
	dir, err := os.MkdirTemp(s.bed.Dir, "host-")
	if err != nil {
		s.t.Fatal(err)
	}
	h := &host{scene: s, root: filepath.Join(dir, "root")}
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{h.root, upper, work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := unix.Mount("overlay", h.root, "overlay", 0, "lowerdir=/,upperdir="+upper+",workdir="+work); err != nil {
		lacks(s.t, &testbed.LackError{What: "permission to mount an overlay of /", Err: err})
	}
	s.t.Cleanup(func() {
		if err := errors.Join(unix.Unmount(h.root, unix.MNT_DETACH), os.RemoveAll(dir)); err != nil {
			s.t.Error(err)
		}
	})
	h.furnish()
	return h
}

func (h *host) furnish() {
	h.t.Helper()
	for _, dir := range []string{"/etc/systemd/system", "/var/log/journal", "/etc/ecr-refreshd"} {
		if err := os.RemoveAll(filepath.Join(h.root, dir)); err != nil {
			h.t.Fatal(err)
		}
	}
	h.put("/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\n", 0o644)
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		text, err := os.ReadFile(file)
		if err != nil {
			h.t.Fatal(err)
		}
		h.put(file, strings.ReplaceAll(string(text), filepath.Dir(h.bed.Account(dockers[0]).Home), "/home"), 0o644)
	}
	for _, program := range []string{"ecr-refreshd", "docker-credential-ecr-refreshd"} {
		h.copy(filepath.Join(h.bin, program), "/usr/bin/"+program, 0o755)
	}
	for from, to := range map[string]string{
		"ecr-refreshd.service":      "/usr/lib/systemd/system/ecr-refreshd.service",
		"ecr-refreshd.socket":       "/usr/lib/systemd/system/ecr-refreshd.socket",
		"ecr-refreshd-once.service": "/usr/lib/systemd/system/ecr-refreshd-once.service",
		"ecr-refreshd-once.timer":   "/usr/lib/systemd/system/ecr-refreshd-once.timer",
		"user/ecr-refreshd.service": "/usr/lib/systemd/user/ecr-refreshd.service",
		"sysusers.conf":             "/usr/lib/sysusers.d/ecr-refreshd.conf",
	} {
		h.copy(filepath.Join(unitsDir, from), to, 0o644)
	}
	if out, err := exec.Command("systemd-sysusers", "--root="+h.root).CombinedOutput(); err != nil {
		h.t.Fatalf("systemd-sysusers: %v\n%s", err, out)
	}
}

// put writes a file of the host.
func (h *host) put(path, text string, mode fs.FileMode) {
	h.t.Helper()
	path = filepath.Join(h.root, path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) copy(from, to string, mode fs.FileMode) {
	h.t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		h.t.Fatal(err)
	}
	h.put(to, string(text), mode)
}

// dropIn adds to a unit; an empty text takes the addition back.
func (h *host) dropIn(unit, name, text string) {
	h.t.Helper()
	path := "/etc/systemd/system/" + unit + ".d/" + name + ".conf"
	if text != "" {
		h.put(path, text, 0o644)
	} else if err := os.Remove(filepath.Join(h.root, path)); err != nil {
		h.t.Fatal(err)
	}
	if h.init != 0 {
		h.systemctl("daemon-reload")
	}
}

// account makes the home of one of the bed's accounts on the host, and gives the
// account with that home as seen from here.
func (h *host) account(name string) testbed.Account {
	h.t.Helper()
	a := h.bed.Account(name)
	a.Home = filepath.Join(h.root, "home", name)
	if err := h.bed.MakeHome(a); err != nil {
		h.t.Fatal(err)
	}
	return a
}

// enable has units started at the next boot, as their [Install] says.
func (h *host) enable(units ...string) {
	h.t.Helper()
	if out, code := h.run(h.bed.Root(), nil, "", "systemctl", append([]string{"--root=" + h.root, "enable"}, units...)...); code != 0 {
		h.t.Fatal(out)
	}
}

// boot starts systemd, which ends with the test, and returns when one can talk
// to it; it goes on booting.
func (h *host) boot() {
	h.t.Helper()
	groups, err := newCgroups()
	if err != nil {
		lacks(h.t, &testbed.LackError{What: "permission to make control groups", Err: err})
	}
	h.t.Cleanup(func() {
		if err := groups.remove(); err != nil {
			h.t.Error(err)
		}
	})
	args := slices.Concat([]string{"-c", `until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; exec "$@"`, "sh"}, groups, []string{"--",
		"systemd-nspawn", "--quiet", "--directory=" + h.root, "--machine=" + filepath.Base(filepath.Dir(h.root)), "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--kill-signal=" + powerOff, "--bind=" + h.engine.Socket + ":/run/docker.sock", "--bind=/etc/hosts", "--boot"})
	cmd := h.bed.Command(context.Background(), h.bed.Root(), nil, "/bin/sh", args...)
	console := new(journal)
	cmd.Stdout, cmd.Stderr = console, console
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	h.t.Cleanup(func() {
		h.printed.add("journalctl", []byte(h.journal()))
		if h.t.Failed() {
			h.t.Logf("console:\n%s\njournal:\n%s", console.end(), h.journal("--unit=ecr-refreshd*", "--lines=80", "--output=short-monotonic"))
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopsWithin):
			_ = syscall.Kill(h.init, syscall.SIGKILL) // takes all of the host along
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	await(h.t, func() (bool, string) {
		select {
		case <-ended:
			h.t.Fatalf("the host has ended:\n%s", console.end())
		default:
		}
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
		if err != nil {
			return false, err.Error()
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(children)))
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(name) != "systemd\n" {
			return false, "systemd in a container"
		}
		h.init = pid
		out, err := h.inside(context.Background(), "systemctl", "show", "--property=Version").CombinedOutput()
		return err == nil, string(out)
	})
}

// powerOff asks systemd to end everything at once, see systemd(1).
const powerOff = "SIGRTMIN+14"

// inside is a command on the host, run as root.
func (h *host) inside(ctx context.Context, program string, args ...string) *exec.Cmd {
	return h.bed.Command(ctx, h.bed.Root(), nil, "nsenter",
		append([]string{"--target=" + strconv.Itoa(h.init), "--all", "--wd", "--", program}, args...)...)
}

// try runs a program on the host and gives what it says and its exit code.
func (h *host) try(program string, args ...string) (out string, code int) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := h.inside(ctx, program, args...)
	text, err := cmd.CombinedOutput()
	h.printed.add(program+" "+strings.Join(args, " "), text)
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), cmd.ProcessState.ExitCode()
}

// runInside is try, of what must succeed.
func (h *host) runInside(program string, args ...string) string {
	h.t.Helper()
	out, code := h.try(program, args...)
	if code != 0 {
		h.t.Fatalf("%s %s: exit code %d\n%s", program, strings.Join(args, " "), code, out)
	}
	return out
}

func (h *host) systemctl(args ...string) string {
	h.t.Helper()
	return h.runInside("systemctl", args...)
}

// property is one of a unit.
func (h *host) property(unit, name string) string {
	h.t.Helper()
	return h.systemctl("show", "--property="+name, "--value", unit)
}

// awaitProperty waits until a property has the text in it.
func (h *host) awaitProperty(unit, name, text string) {
	h.t.Helper()
	await(h.t, func() (bool, string) {
		value := h.property(unit, name)
		return strings.Contains(value, text), fmt.Sprintf("%s of %s is %q, want %q in it", name, unit, value, text)
	})
}

// journal is what journalctl says.
func (h *host) journal(args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := h.inside(ctx, "journalctl", append([]string{"--no-pager", "--quiet"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

// get asks the credential helper for a login as docker does, as an account, or as
// root for "".
func (h *host) get(account, registry string) (login, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := []string{"docker-credential-ecr-refreshd", "get"}
	if account != "" {
		command = append([]string{"setpriv", "--reuid=" + account, "--regid=" + account, "--init-groups", "--"}, command...)
	}
	cmd := h.inside(ctx, command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(registry)
	out, err := cmd.Output()
	if err != nil {
		h.printed.add("helper get", out)
		return login{}, fmt.Errorf("%w: %s", err, out)
	}
	return h.answer(registry, out)
}
