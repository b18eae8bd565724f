// Package systemd is what the service manager and this process tell each other:
// the descriptors that it passes on, the notices that it is sent, and its
// descriptor store, by the protocols of sd_listen_fds(3) and sd_notify(3), and
// entries for its journal. Any manager that speaks them will do. What is in a descriptor is none of this
// package's business.
package systemd

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// firstFile is the number of the first descriptor that is passed on.
	firstFile = 3
	// mostFiles is more than any unit of ours has; a greater number is not believed.
	mostFiles = 1024
	// patience bounds the wait for a manager whose queue is full: it may be
	// rereading its units, or hang. Stopping must go on within 5 s all the same.
	patience = 2 * time.Second
)

// ErrNoManager means that no service manager listens to this process.
var ErrNoManager = errors.New("no service manager has asked for notices ($NOTIFY_SOCKET is not set)")

// Manager is the service manager that has started this process. The zero
// Manager is none. Safe for concurrent use.
type Manager struct {
	socket string // $NOTIFY_SOCKET
	room   string // $FDSTORE: how many descriptors it keeps; systemd says it since version 254

	watchdog time.Duration // of $WATCHDOG_USEC; zero for none
}

// Take takes what the manager has passed to this process: where to reach it, and
// the descriptors, in its order and by the names that it has for them, never to
// be inherited by a child. It removes all of this from the environment, because a
// child that found it there would take itself for the service. Call it once, from
// main, before anything else reads the environment or opens files.
func Take() (Manager, []*os.File) {
	m := Manager{socket: os.Getenv("NOTIFY_SOCKET"), room: os.Getenv("FDSTORE")}
	m.watchdog = watchdog(os.Getenv("WATCHDOG_PID"), os.Getenv("WATCHDOG_USEC"), os.Getpid())
	files := take(names(os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), os.Getpid()))
	for _, key := range []string{"NOTIFY_SOCKET", "FDSTORE", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"WATCHDOG_PID", "WATCHDOG_USEC"} {
		_ = os.Unsetenv(key) // fails for impossible names only
	}
	return m, files
}

// names gives a name for each descriptor that is meant for process self; none
// when what the environment says makes no sense.
func names(pid, count, list string, self int) []string {
	if pid != strconv.Itoa(self) {
		return nil // meant for the parent
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > mostFiles {
		return nil
	}
	names := strings.Split(list, ":")
	if list == "" || len(names) != n { // a manager that does not know names, or one that is wrong about them
		names = make([]string, n)
		for i := range names {
			names[i] = "unknown"
		}
	}
	return names
}

// take makes files of the descriptors. It takes all or none: where one is
// missing, the numbers of the others may be of something else.
func take(names []string) []*os.File {
	for i := range names {
		if _, err := unix.FcntlInt(uintptr(firstFile+i), unix.F_GETFD, 0); err != nil {
			return nil
		}
	}
	var files []*os.File
	for i, name := range names {
		unix.CloseOnExec(firstFile + i)
		files = append(files, os.NewFile(uintptr(firstFile+i), name))
	}
	return files
}

// Notify sends one notice, lines of KEY=value without an end of line at the end,
// and the files with it, which the caller may close afterwards. Delivery is all
// that a nil error means: the manager does not answer. It waits no longer than
// two seconds. Without a manager the error is ErrNoManager.
func (m Manager) Notify(state string, files ...*os.File) error {
	if m.socket == "" {
		return ErrNoManager
	}
	if err := m.send(state, files); err != nil {
		return fmt.Errorf("notify the service manager at %q: %w", m.socket, err)
	}
	return nil
}

func (m Manager) send(state string, files []*os.File) error {
	if !strings.HasPrefix(m.socket, "/") && !strings.HasPrefix(m.socket, "@") {
		return errors.New("only paths and abstract names are supported")
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: m.socket})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	// The net package sends no rights from a connected datagram socket.
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) (done bool) {
		sent = unix.Sendmsg(int(fd), []byte(state), rights, nil, unix.MSG_NOSIGNAL)
		return sent != unix.EAGAIN
	})
	runtime.KeepAlive(files)
	if err != nil {
		return err
	}
	return sent
}

// Watchdog is how often, at the latest, the manager wants WATCHDOG=1, or it takes
// this process for hung and ends it; zero for never.
func (m Manager) Watchdog() time.Duration { return m.watchdog }

// watchdog reads $WATCHDOG_USEC, unless it is meant for another process.
func watchdog(pid, usec string, self int) time.Duration {
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/1000 || pid != "" && pid != strconv.Itoa(self) {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}

// Put asks the manager to keep file, until it is dropped or the service stops, and
// to pass it on when the service starts again. Several files may have one name; name
// has neither control characters nor colons. A manager with no room left says
// nothing: see Keeps.
func (m Manager) Put(name string, file *os.File) error {
	return m.Notify("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, file)
}

// Drop asks the manager to keep the files of that name no longer.
func (m Manager) Drop(name string) error {
	return m.Notify("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// Keeps reports whether the manager keeps as many as n files. Why says why not,
// or, where the manager leaves it open, so that ok is a guess, what it depends on;
// it is empty when the manager has promised it.
func (m Manager) Keeps(n int) (ok bool, why string) {
	if m.socket == "" {
		return false, fmt.Sprintf("no service manager keeps anything for this process: under systemd, FileDescriptorStoreMax= of the unit must be %d or more", n)
	}
	if m.room == "" {
		return true, fmt.Sprintf("the service manager does not say whether it keeps anything: FileDescriptorStoreMax= of the unit must be %d or more", n)
	}
	if room, err := strconv.Atoi(m.room); err != nil || room < n {
		return false, fmt.Sprintf("the service manager keeps %q files: FileDescriptorStoreMax= of the unit must be %d or more", m.room, n)
	}
	return true, ""
}
