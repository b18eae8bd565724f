package osuser

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// KeepCapabilities keeps from all programs that this process starts, of whatever account, the
// capabilities that its service manager gave it to take identities with. The process itself keeps
// them. It must be a program without cgo, of which another one is left as it is.
func KeepCapabilities() {
	_, _, _ = syscall.AllThreadsSyscall(syscall.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
}
