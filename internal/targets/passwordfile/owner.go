package passwordfile

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
)

// account is whom files belong to.
type account struct {
	*osuser.Account      // nil: the account of this process
	known           bool // the host knows it by name
	gid             int  // of the files; -1: whatever a new file has
	foundAt         time.Time
}

const (
	// accountLife is how long an account that was found is not looked up again, so that a hundred
	// grants on one file ask a directory service once.
	accountLife = 10 * time.Second
	// nogroup is the group of an id that the host does not know: none of such an account's own
	// is, and one that is configured must not open directories to it.
	nogroup = 65534
)

// who finds the account and the group of the files. An id without an account on this host may
// be that of a user in a container.
func (t *Target) who(ctx context.Context) (*account, error) {
	if t.account != nil && time.Since(t.account.foundAt) < accountLife {
		return t.account, nil
	}
	a := &account{gid: -1, foundAt: time.Now()}
	if t.Owner != "" {
		name := t.Owner
		id, notID := osuser.ParseID(name)
		var err error
		if notID == nil {
			if name, err = osuser.Name(ctx, id); err != nil && !errors.Is(err, osuser.ErrUnknown) {
				return nil, err
			}
		}
		if err == nil {
			if a.Account, err = osuser.Lookup(ctx, name); err != nil {
				return nil, fmt.Errorf("owner %q: %w", t.Owner, err)
			}
			a.known, a.gid = true, a.GID
		} else {
			a.Account = &osuser.Account{Name: t.Owner, UID: id, GID: nogroup}
		}
	}
	if t.Group != "" {
		var err error
		if a.gid, err = osuser.Group(ctx, t.Group); err != nil {
			return nil, fmt.Errorf("group %q: %w", t.Group, err)
		}
	}
	t.account = a
	return a, nil
}

// problem is an error with its hint, which may have the words of say in braces.
type problem struct{ text, hint string }

func (e *problem) Error() string { return e.text }

// fault says what went wrong with the files. All of it is of reason local.
func (t *Target) fault(op string, err error) *fault.Error {
	return &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("%s %q", op, t.Path), Err: err, Hint: t.hint(err)}
}

// hint says what a person can do about err.
func (t *Target) hint(err error) string {
	known, isProblem := errors.AsType[*problem](err)
	refused, isRefused := errors.AsType[*filetrust.Error](err)
	switch {
	case errors.Is(err, osuser.ErrUnknown):
		return "create the account or group, or correct `owner` and `group`; `getent passwd` and `getent group` show those that this host knows; until then it is waited for"
	case errors.Is(err, osuser.ErrIdentity):
		return t.say("{dir} belongs to {owner}: run ecr-refreshd as root, or with CAP_SETUID and CAP_SETGID (see the drop-in users-config.conf), or choose a directory of root's")
	case isRefused && t.Owner != "":
		return t.say("nobody but root and {owner} may write where the file is: " + refused.Cure(t.Path) + ", or set `path` or `owner` to what belongs together")
	case isRefused:
		return t.say("set `owner: " + ownerName(refused.UID) + "` for this target, so that the file is that account's; or make the directory root's alone: " + refused.Cure(t.Path))
	case isProblem:
		return t.say(known.hint)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ""
	case errors.Is(err, errUnquotable):
		return "use another format for this host"
	}
	errno, _ := errors.AsType[unix.Errno](err)
	return t.say(errnoHints[errno])
}

// ownerName names the account to set for a directory that is not root's.
func ownerName(uid uint32) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if name, err := osuser.Name(ctx, int(uid)); err == nil && uid != 0 {
		return name
	}
	if uid != 0 {
		return strconv.Quote(strconv.FormatUint(uint64(uid), 10))
	}
	return "NAME"
}

// say puts the target's words into a hint. Where the owner's name stands, {host} is no word.
func (t *Target) say(hint string) string {
	who := t.Owner
	if who == "" {
		who = "the account that ecr-refreshd runs as"
	}
	return strings.NewReplacer("{path}", t.Path, "{dir}", t.dir, "{parent}", filepath.Dir(t.dir), "{owner}", who).Replace(hint)
}

const (
	mustWrite = "ecr-refreshd, or {owner} if the directory is that account's, must be allowed to write in {dir}: see `namei -l {dir}`, then chown or chmod"
	diskFail  = "the disk or server behind {dir} reports an error: see the kernel's log (dmesg)"
)

// errnoHints are for what the kernel answers.
var errnoHints = map[unix.Errno]string{
	unix.ENOSPC:       "make room: df -h {dir}; df -i {dir}",
	unix.EDQUOT:       "the disk quota is used up: make room in {dir}, or raise it",
	unix.EROFS:        "{dir} is read-only: remount it, or, where systemd made it so, add ReadWritePaths={dir} to the unit (see docs/guides/password-files.md)",
	unix.EACCES:       mustWrite,
	unix.EPERM:        "{path} or {dir} may be immutable: see `lsattr -d {dir} {path}`. Otherwise " + mustWrite,
	unix.EBUSY:        "{path} is a mount point and cannot be replaced: mount the directory {dir} instead of the file",
	unix.ENOTDIR:      "a part of {dir} is not a directory: see `namei -l {dir}`",
	unix.ENOENT:       "a part of {dir} is missing, or a symbolic link leads nowhere: see `namei -l {dir}`",
	unix.ELOOP:        "the symbolic links at {dir} lead in a circle: see `namei -l {dir}`",
	unix.ENAMETOOLONG: "the file's name with the host in it is too long: write a shorter one in `path`",
	unix.EIO:          diskFail,
	unix.ESTALE:       diskFail,
	unix.EMFILE:       "this process has as many file descriptors as it may: raise LimitNOFILE= in the unit (systemctl edit ecr-refreshd), or `ulimit -n`",
	unix.ENFILE:       "the whole host has as many files open as it may: raise it with `sysctl fs.file-max`",
}
