package packaging_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a Debian of its own within this one: its file system is this machine's
// with changes that nobody else sees, its processes and its network are its
// own. It ends with the test, and nothing remains.
type machine struct {
	t   *testing.T
	pid int // of its first process
}

// The machine is laid out before its first process takes over. $1 is a folder for
// its file system, and the files after it are put into its /packages.
const layOut = `set -eu
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mkdir -p upper/packages upper/etc/systemd/system
for unit in docker.service docker.socket containerd.service postgresql.service systemd-timesyncd.service; do
	ln -s /dev/null upper/etc/systemd/system/$unit
done
shift
cp "$@" upper/packages
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
# An image's build may forbid that services start.
rm -f root/usr/sbin/policy-rc.d
# A list of all manual pages, made again at each change of the packages, takes long.
rm -f root/var/lib/man-db/auto-update
# Fedora's, where rpm is at home.
mkdir -p root/usr/share/zsh/site-functions
`

// A machine without a service manager, as in the build of an image. Its /dev is
// its own.
const bare = layOut + `
mount -t proc proc root/proc
mount -t tmpfs -o mode=755 tmpfs root/dev
mknod -m 666 root/dev/null c 1 3
mknod -m 666 root/dev/zero c 1 5
mknod -m 666 root/dev/urandom c 1 9
ln -s /proc/self/fd root/dev/fd
mount -t tmpfs -o mode=755 tmpfs root/run
mount -t tmpfs tmpfs root/tmp
ip link set lo up 2>/dev/null || true
exec chroot root sleep infinity
`

// A machine with systemd as its first process.
const booted = layOut + `
exec systemd-nspawn --quiet --directory=root --boot --register=no --keep-unit --link-journal=no --private-network \
	--machine=packages --hostname=packages --resolv-conf=off --timezone=off systemd.unit=basic.target
`

// start starts a machine that has the files in its /packages.
func start(t *testing.T, how string, files ...string) *machine {
	t.Helper()
	need(t, os.Geteuid() == 0, "needs root")
	for i := range files {
		path, err := filepath.Abs(files[i])
		if err != nil {
			t.Fatal(err)
		}
		files[i] = path
	}
	args := append([]string{"--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", "sh", "-c", how, "sh", t.TempDir()}, files...)
	cmd := exec.Command("unshare", args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		// The first process within is killed with unshare, and takes all along.
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the machine said:\n%s", log.String())
		}
	})
	m := &machine{t: t}
	ready, first := "test -e /packages", "sleep"
	if how == booted {
		ready, first = "systemctl is-active --quiet basic.target", "systemd"
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if pid := descendant(cmd.Process.Pid, first); pid != 0 {
			m.pid = pid
			if _, err := m.try(ready); err == nil {
				return m
			}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("the machine ended: %v\n%s", err, log.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the machine did not start in a minute")
		}
	}
}

// descendant is the process of that name below another; 0 while there is none.
func descendant(pid int, name string) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for _, field := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join("/proc", field, "comm"))
		if err == nil && strings.TrimSpace(string(comm)) == name {
			return child
		}
		if found := descendant(child, name); found != 0 {
			return found
		}
	}
	return 0
}

// command is a shell script that runs on the machine as root.
func (m *machine) command(script string) *exec.Cmd {
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.pid), "--all", "--root", "env", "--chdir=/", "sh", "-c", script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}
	return cmd
}

// try runs a script and gives what it prints on both streams.
func (m *machine) try(script string) (string, error) {
	out, err := m.command(script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// do is try for what must not fail.
func (m *machine) do(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s\n%v: %s", script, err, out)
	}
	return out
}

// want runs a script whose output must be this.
func (m *machine) want(script, want string) {
	m.t.Helper()
	if got, _ := m.try(script); got != want {
		m.t.Errorf("%s\nprints %q, want %q", script, got, want)
	}
}

// await runs a script until it succeeds.
func (m *machine) await(script string) {
	m.t.Helper()
	var out string
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if out, err = m.try(script); err == nil {
			return
		}
	}
	m.t.Fatalf("%s\nstill after a minute: %v: %s", script, err, out)
}

// traces lists the files and accounts that a package could leave behind.
func (m *machine) traces() map[string]bool {
	m.t.Helper()
	out := m.do(`find /etc /usr /opt /srv /var /run /root/.docker /root/.config -xdev \( -path /usr/local -o -path /var/lib/dpkg -o -path /var/lib/rpm \
			-o -path /var/lib/docker -o -path /var/lib/systemd -o -path /var/log -o -path /var/cache -o -path /var/tmp \
			-o -path /run/systemd -o -path /run/udev -o -path /run/log -o -path /run/user \) -prune -o -print 2>/dev/null |
		grep -v -e '/\(passwd\|group\|shadow\|gshadow\|subuid\|subgid\)-$' | sort
		cut -d: -f1 /etc/passwd /etc/group | sed 's/^/account or group /' | grep -v ' docker$' | sort`)
	all := make(map[string]bool)
	for line := range strings.Lines(out) {
		all[strings.TrimSpace(line)] = true
	}
	return all
}
