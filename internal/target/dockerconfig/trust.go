package dockerconfig

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// trust is who acts on a file, and whether others may have a say in where its path
// leads.
type trust struct {
	uid int
	// gid is a group that may write where uid may, -1 for none: an account's own, for
	// which a umask of 002 leaves the bit on all that the account makes.
	gid int
	// strict refuses a path that anybody but root and uid could lead elsewhere.
	// In a shared directory such as /tmp, where each may delete only what is his, an entry
	// that belongs to one of the two can be relied on; the file itself cannot be
	// there, for others could put their own beside it.
	strict bool
}

// distrustError names the directory, link or file by which a stranger could lead
// the one who acts elsewhere.
type distrustError struct {
	path  string
	owner uint32
	why   string
}

func (e *distrustError) Error() string { return fmt.Sprintf("%q %s", e.path, e.why) }

func (e *distrustError) advice(w site) string {
	if w.as != nil {
		return fmt.Sprintf("nobody but root and {user} may decide where the file is: make %q theirs (chown {user}, chmod go-w), or set {--file} or {--user} to what belongs together", e.path)
	}
	return fmt.Sprintf("{set user} %s{for it}, so that the file is written with that account's rights; or make %q root's alone: chown root, chmod go-w",
		ownerName(e.owner), e.path)
}

func belongsTo(path string, owner uint32) error {
	return &distrustError{path, owner, fmt.Sprintf("belongs to the user with id %d", owner)}
}

func writableByOthers(path string) error {
	return &distrustError{path, 0, "can be written by others"}
}

func (t trust) trusts(uid uint32) bool { return uid == 0 || int(uid) == t.uid }

func (t trust) writableByStrangers(st *unix.Stat_t) bool {
	return st.Mode&0o002 != 0 || st.Mode&0o020 != 0 && int(st.Gid) != t.gid
}

func (t trust) checkDirectory(path string, st *unix.Stat_t) error {
	switch {
	case !t.strict:
	case !t.trusts(st.Uid):
		return belongsTo(path, st.Uid)
	case t.writableByStrangers(st) && st.Mode&unix.S_ISVTX == 0:
		return writableByOthers(path)
	}
	return nil
}

// checkFile looks at the file itself. An account may replace one of a stranger's in
// its own directory; root, who could give the new one away again, may not.
func (w *walk) checkFile(path string, st *unix.Stat_t) error {
	switch {
	case !w.strict:
	case w.uid == 0 && st.Uid != 0:
		return belongsTo(path, st.Uid)
	case w.shared:
		return writableByOthers(w.at)
	}
	return nil
}
