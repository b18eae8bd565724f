package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// deadKey finds the descriptor of the dead file system's server.
type deadKey struct{}

// deadFS is deadfs DIR: mounts a file system at the new directory DIR that never
// answers, as one whose server is gone.
func deadFS(ts *testscript.TestScript, _ bool, args []string) {
	if os.Geteuid() != 0 {
		ts.Fatalf("mounting takes root")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o755))
	ts.Check(unix.Mount("dead", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)))
	ts.Defer(func() {
		_ = unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH)
		_ = unix.Close(fd)
	})
	// FUSE_INIT is answered, or nobody could see that further requests come. Those stay
	// unread: whoever waits for one that was read could not even be killed.
	request := make([]byte, 1<<20)
	_, err = unix.Read(fd, request)
	ts.Check(err)
	answer := make([]byte, 16+64)
	binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
	copy(answer[8:16], request[8:16])
	binary.NativeEndian.PutUint32(answer[16:], 7) // the version of the protocol
	binary.NativeEndian.PutUint32(answer[20:], 31)
	binary.NativeEndian.PutUint32(answer[36:], 4096) // bytes in a write
	_, err = unix.Write(fd, answer)
	ts.Check(err)
	*ts.Value(deadKey{}).(*int) = fd
}

// hangs waits until the command in the background waits for the dead file system. Others may ask it too: a
// browser or an engine of another test looks at all that is mounted.
func hangs(ts *testscript.TestScript, _ bool, _ []string) {
	server := []unix.PollFd{{Fd: int32(*ts.Value(deadKey{}).(*int)), Events: unix.POLLIN}}
	asked := 0 // looks since somebody asked
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if n, err := unix.Poll(server, 1000); err != nil || n != 1 {
			continue
		}
		if asked++; asked > 100 {
			return // a kernel that does not tell what a process waits for
		}
		for _, cmd := range ts.BackgroundCmds() {
			waits, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", cmd.Process.Pid))
			for _, w := range waits {
				if text, _ := os.ReadFile(w); strings.Contains(string(text), "fuse") || strings.Contains(string(text), "request_wait") {
					return
				}
			}
		}
	}
	ts.Fatalf("nobody asks the dead file system")
}
