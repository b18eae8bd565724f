package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/shell"
)

// fault classifies what went wrong with the file. All of it is of reason local.
func (w site) fault(op string, err error) *fault.Error {
	op = fmt.Sprintf("%s in %q", op, w.path)
	if w.user != "" {
		op += fmt.Sprintf(" as %q", w.user)
	}
	return &fault.Error{Reason: fault.Local, Op: op, Err: err, Hint: w.hint(err)}
}

// problem is an error with its hint, which may have the words of site.say in braces.
type problem struct{ text, hint string }

func (e *problem) Error() string { return e.text }

// correctIt is the hint for a file with a mistake in it.
const correctIt = "correct {path} with an editor, or put it aside: mv {path} {path}.broken"

// hint says what a person can do about err.
func (w site) hint(err error) string {
	known, isProblem := errors.AsType[*problem](err)
	refused, isRefused := errors.AsType[*filetrust.Error](err)
	switch {
	case isRefused && w.as != nil:
		return w.say("nobody but root and {user} may decide where the file is: " + refused.Cure(w.path) + ", or set {--file} or {--user} to what belongs together")
	case isRefused:
		return w.say("{set user} " + ownerName(refused.UID) + "{for it}, so that the file is written with that account's rights; or make it root's alone: " + refused.Cure(w.path))
	case isProblem:
		return w.say(known.hint)
	case errors.Is(err, osuser.ErrUnknown):
		return w.say("create the account {user} or correct {--user}; `getent passwd {user}` shows whether this host knows it{; waits}")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	}
	errno, _ := errors.AsType[unix.Errno](err)
	switch real := w.real(errno); {
	case errno == unix.ENOTDIR && w.variable == "DOCKER_CONFIG":
		return w.say("DOCKER_CONFIG must name the directory that holds config.json, not a file: set DOCKER_CONFIG={parent} if {dir} is the file")
	case errno == unix.EROFS && real.path != w.path:
		return real.say(errnoHints[errno]) + w.say("; or replace the symbolic link at {path} by a file")
	default:
		return real.say(errnoHints[errno])
	}
}

// real is the site with its path as it is behind symbolic links, for these are not what
// has the wrong mode or the wrong mount. Where nothing can be opened, it is the site itself.
func (w site) real(errno unix.Errno) site {
	switch errno {
	case unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EDQUOT, unix.EBUSY:
		_ = as(w.as, func() error {
			p, err := w.rule().Walk(w.path)
			if p.FD >= 0 {
				_ = unix.Close(p.FD)
			}
			if err == nil && p.Name != "" || errors.Is(err, unix.ENOENT) && p.Rest == 0 {
				w.path = filepath.Join(p.Path, p.Name)
			}
			return nil
		})
	}
	return w
}

// say puts the site's words into a hint.
func (w site) say(hint string) string {
	dir, who := filepath.Dir(w.path), w.user
	if who == "" {
		who = "the user that ecr-refreshd runs as"
	}
	words := []string{"{path}", shell.Quote(w.path), "{dir}", shell.Quote(dir), "{parent}", shell.Quote(filepath.Dir(dir)), "{vars}", w.format.vars, "{user}", w.user, "{who}", who}
	if w.command {
		words = append(words, "{--file}", "`--file`", "{--user}", "`--user`", "{set user}", "give `--user", "{for it}", "`",
			"{; waits}", "", "{await base}", "create "+w.base())
	} else {
		words = append(words, "{--file}", "`path`", "{--user}", "`user`", "{set user}", "set `user:", "{for it}", "` for this target",
			"{; waits}", "; until then it is waited for", "{await base}", w.base()+" is waited for")
	}
	return strings.NewReplacer(words...).Replace(hint)
}

const (
	mustOwn  = "{who} must own {path} and be allowed to write in {dir}: see `ls -ld {dir} {path}`, then chown or chmod"
	diskFail = "the disk or server behind {dir} reports an error: see the kernel's log (dmesg)"
)

// errnoHints are for what the kernel answers.
var errnoHints = map[unix.Errno]string{
	unix.ENOSPC:    "make room: df -h {dir}; df -i {dir}",
	unix.EDQUOT:    "the disk quota of {who} is used up: make room in {dir}, or raise it",
	unix.EROFS:     "{dir} is read-only: remount it, or, where systemd made it so, add ReadWritePaths={dir} to the unit",
	unix.EACCES:    mustOwn,
	unix.EPERM:     "{path} or {dir} may be immutable, whatever its mode: see `lsattr -d {dir} {path}`; an i or a goes by `chattr -ia`. Otherwise " + mustOwn,
	unix.EBUSY:     "{path} is a mount point and cannot be replaced: mount the directory {dir} instead of the file",
	unix.ELOOP:     "the symbolic links at {path} lead in a circle or change all the time: see `namei -l {path}`",
	unix.ENOTDIR:   "a part of {dir} is not a directory: see `namei -l {path}`",
	unix.ENOENT:    "a part of {path} is missing, or a symbolic link leads nowhere: see `namei -l {path}`",
	unix.EIO:       diskFail,
	unix.ESTALE:    diskFail,
	unix.ETIMEDOUT: diskFail,
	unix.EREMOTEIO: diskFail,
	unix.EUCLEAN:   diskFail,
	unix.EMFILE:    "this process has as many file descriptors as it may: raise LimitNOFILE= in the unit (systemctl edit ecr-refreshd), or `ulimit -n`",
	unix.ENFILE:    "the whole host has as many files open as it may: raise it with `sysctl fs.file-max`, or find who has them open: lsof",
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
