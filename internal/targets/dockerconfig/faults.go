package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/account"
	"ecr-refreshd/internal/fault"
)

// fault classifies what went wrong with the file. All of it is of reason local.
func (w site) fault(op string, err error) *fault.Error {
	op = fmt.Sprintf("%s in %q", op, w.path)
	if w.user != "" {
		op += fmt.Sprintf(" as %q", w.user)
	}
	return &fault.Error{Reason: fault.Local, Op: op, Err: err, Hint: w.hint(err)}
}

// words are what hints say differently of a target and in a command.
type words struct {
	path, user string // what to change
	account    string // format: how to name another account
	waits      string // said after what must be there first
	parent     string // format: what to do about a directory that is not there
}

func (w site) words() words {
	if w.command {
		return words{"`--file`", "`--user`", "give `--user %s`", "", "create %s"}
	}
	return words{"`path`", "`user`", "set `user: %s` for this target", "; until then it is waited for", "%s is waited for"}
}

// hint says what a person can do about err.
func (w site) hint(err error) string {
	dir, say := filepath.Dir(w.path), w.words()
	distrust, isDistrust := errors.AsType[*distrustError](err)
	_, isSyntax := errors.AsType[*syntaxError](err)
	_, isShape := errors.AsType[*shapeError](err)
	record, isRecord := errors.AsType[*recordError](err)
	switch {
	case isRecord && (isSyntax || isShape || errors.Is(err, errNoRecord) || errors.Is(err, errNotRegular) || errors.Is(err, errTooLarge) || errors.Is(err, errTooMany)):
		return fmt.Sprintf("correct or delete the file %s beside %s; without it, undo takes our entries away and puts nothing back in their place", record.name, w.path)
	case isDistrust && w.as != nil:
		return fmt.Sprintf("nobody but root and %s may decide where the file is: make %q theirs (chown %s, chmod go-w), or set %s or %s to what belongs together",
			w.user, distrust.path, w.user, say.path, say.user)
	case isDistrust:
		return fmt.Sprintf(say.account+", so that the file is written with that account's rights; or make %q root's alone: chown root, chmod go-w",
			ownerName(distrust.owner), distrust.path)
	case errors.Is(err, errDisplaced):
		return fmt.Sprintf("see what is in it, and put what is worth it back into %s", w.path)
	case isSyntax || isShape:
		return fmt.Sprintf("correct %s with an editor, or put it aside: mv %s %s.broken", w.path, w.path, w.path)
	case errors.Is(err, account.ErrUnknown):
		return fmt.Sprintf("create the account %s or correct %s; `getent passwd %s` shows whether this host knows it%s", w.user, say.user, w.user, say.waits)
	case errors.Is(err, errIdentity):
		return fmt.Sprintf("run ecr-refreshd as root, or with CAP_SETUID and CAP_SETGID, or as %s itself", w.user)
	case errors.Is(err, errNoParent):
		return fmt.Sprintf(say.parent+"; if that is not where the file belongs, set %s", filepath.Dir(dir), say.path)
	case errors.Is(err, errNotRegular):
		return fmt.Sprintf("see what it is with `ls -ld %s` and move it away", w.path)
	case errors.Is(err, errTooLarge), errors.Is(err, errTooMany):
		return fmt.Sprintf("see what has filled %s, and put it aside: mv %s %s.old", w.path, w.path, w.path)
	case errors.Is(err, errLocked):
		return fmt.Sprintf("find out which process holds it: fuser -v %s", dir)
	case errors.Is(err, errRestless):
		return fmt.Sprintf("find the program that writes to %s all the time: fuser -v %s", dir, dir)
	case errors.Is(err, errHung), errors.Is(err, errNoTurn):
		return fmt.Sprintf("check the file system: ls -l %s; a network server may be away", dir)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	}
	return w.errnoHint(err, dir)
}

// errnoHint is the hint for what the kernel answered.
func (w site) errnoHint(err error, dir string) string {
	who := w.user
	if who == "" {
		who = "the user that ecr-refreshd runs as"
	}
	errno, _ := errors.AsType[unix.Errno](err)
	switch errno {
	case unix.ENOSPC:
		return fmt.Sprintf("make room: df -h %s; df -i %s", dir, dir)
	case unix.EDQUOT:
		return fmt.Sprintf("the disk quota of %s is used up: make room in %s, or raise it", who, dir)
	case unix.EROFS:
		return fmt.Sprintf("%s is read-only: remount it, or, where systemd made it so, add ReadWritePaths=%s to the unit", dir, dir)
	case unix.EACCES, unix.EPERM:
		return fmt.Sprintf("%s must own %s and be allowed to write in %s: see `ls -ld %s %s`, then chown or chmod", who, w.path, dir, dir, w.path)
	case unix.EBUSY:
		return fmt.Sprintf("%s is a mount point and cannot be replaced: mount the directory %s instead of the file", w.path, dir)
	case unix.ELOOP:
		return fmt.Sprintf("the symbolic links at %s lead in a circle or change all the time: see `namei -l %s`", w.path, w.path)
	case unix.ENOTDIR:
		return fmt.Sprintf("a part of %s is not a directory: see `namei -l %s`", dir, w.path)
	case unix.ENOENT:
		return fmt.Sprintf("a part of %s is missing, or a symbolic link leads nowhere: see `namei -l %s`", w.path, w.path)
	case unix.EIO, unix.ESTALE, unix.ETIMEDOUT, unix.EREMOTEIO, unix.EUCLEAN:
		return fmt.Sprintf("the disk or server behind %s reports an error: see the kernel's log (dmesg)", dir)
	case unix.EMFILE:
		return "this process has as many file descriptors as it may: raise LimitNOFILE= in the unit (systemctl edit ecr-refreshd), or `ulimit -n`"
	case unix.ENFILE:
		return "the whole host has as many files open as it may: raise it with `sysctl fs.file-max`, or find who has them open: lsof"
	}
	return ""
}

// isExhausted tells that err is about this process or host, not about the file.
func isExhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// ownerName names the user to set for a directory that is not root's.
func ownerName(uid uint32) string {
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil && uid != 0 {
		return u.Username
	}
	return "NAME"
}
