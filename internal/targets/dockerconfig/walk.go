package dockerconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/filetrust"
)

// errNoParent: the directory in which ours would be made is not there.
var errNoParent = &problem{"its directory is not there", "{await base}; if that is not where the file belongs, set {--file}"}

// rule says on whom the site relies: on root, and on the account that acts with its own
// group, for which a umask of 002 leaves the bit on all that the account makes. A
// user's own process is lenient, for it is no more than that user.
func (w site) rule() filetrust.Rule {
	r := filetrust.Rule{What: "where the logins go", Owners: []uint32{uint32(os.Geteuid()), 0}, Lenient: os.Geteuid() != 0}
	if w.as != nil {
		gid := uint32(w.as.GID)
		r.Owners[0], r.Lenient = uint32(w.as.UID), false
		r.Group = func(group, _ uint32) bool { return group == gid }
	}
	return r
}

// find goes along path, through links in place of the file too, for replacing these
// would undo what a dotfile manager has set up. It returns the directory, open with
// O_PATH, and the name in it, which is that of a file or of nothing. As many as
// makes of the last directories of the path are made where they are missing, as the
// client makes them; one above them never is. The error may be a *filetrust.Error: so it is for a file in a shared directory
// such as /tmp, beside which others could put their own.
func find(rule filetrust.Rule, path string, makes int) (dirfd int, name string, err error) {
	p, err := rule.Walk(path)
	missing := p.Name != "" && errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
	case p.Name == "":
		err = errNotRegular // the way ends in a directory
	case !rule.Lenient && p.Shared != nil:
		err = p.Shared
	case p.Stat != nil && rule.Owners[0] == 0:
		// An account may replace a file of a stranger's in its own directory; root, who could
		// give the new one away again, may not.
		err = rule.Owner(filepath.Join(p.Path, p.Name), p.Stat)
	case missing && p.Rest == 0:
		err = nil
	case missing && makes > 0 && !p.FromLink && p.Rest > makes:
		err = errNoParent
	case missing && makes > 0 && !p.FromLink:
		err = unix.Mkdirat(p.FD, p.Name, 0o700)
		if err == nil && p.Rest > 1 && rule.Owners[0] == 0 {
			// Below root's /run/containers, other accounts' clients look for files of their own, and
			// give up where they may not look. There is nobody who could put a link here meanwhile.
			err = unix.Fchmodat(p.FD, p.Name, 0o711, 0)
		}
		if err == nil || err == unix.EEXIST {
			_ = unix.Close(p.FD)
			return find(rule, path, makes-1)
		}
		err = fmt.Errorf("make directory %q: %w", filepath.Join(p.Path, p.Name), err)
	}
	if err != nil {
		_ = unix.Close(p.FD)
		return -1, "", err
	}
	return p.FD, p.Name, nil
}
