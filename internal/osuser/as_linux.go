package osuser

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrIdentity says that this process may not act as another account.
var ErrIdentity = errors.New("this process may not act as another account")

// As runs f with the file-system identity of the account, so that the kernel
// grants what the account itself may do and nothing else: links and swapped
// directories then lead nowhere that the account cannot go by itself. A nil
// account is this process as it is.
//
// Linux keeps credentials per thread. f runs on a thread of its own, which is
// never given back and which the runtime ends together with the goroutine. Only the
// file-system user id changes, not the real and effective ones, which would let the
// account's processes signal this one. Whether the process may do this at all (it
// takes CAP_SETUID and CAP_SETGID, which need not mean root) the kernel decides.
//
// f must start no goroutine: that would run as this process, not as the account.
func As(a *Account, f func() error) error {
	if a == nil {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The runtime cannot end the main thread. Hold it, and the next
			// goroutine has to be on another one.
			defer runtime.UnlockOSThread()
			result <- As(a, f)
			return
		}
		if err := become(a); err != nil {
			result <- fmt.Errorf("%w: %w", ErrIdentity, err)
			return
		}
		result <- f()
	}()
	return <-result
}

// become gives the calling thread the account's identity, for good. The calls
// of x/sys/unix used here work on the one thread; those of the same names in syscall
// would change the whole process.
func become(a *Account) error {
	if err := unix.Setgroups(a.Groups); err != nil {
		return fmt.Errorf("set supplementary groups: %w", err)
	}
	if err := setFS(unix.SetfsgidRetGid, "group", a.GID); err != nil {
		return err
	}
	if err := setFS(unix.SetfsuidRetUid, "user", a.UID); err != nil {
		return err
	}
	// The kernel has dropped the capabilities that override file permissions.
	// Others still open doors, such as CAP_SYS_PTRACE through links in /proc.
	var none [2]unix.CapUserData
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// setFS sets a file-system id. The system call reports no error; asked with an
// id that cannot be, it changes nothing and tells what is set.
func setFS(set func(int) (int, error), what string, id int) error {
	_, _ = set(id)
	if now, _ := set(-1); now != id {
		return fmt.Errorf("set file-system %s id %d: it is still %d: %w", what, id, now, unix.EPERM)
	}
	return nil
}
