// Package dockerconfig keeps a docker config.json, or an auth.json of podman, a file that docker and others
// rewrite without any lock, and that may be in another account's home. It reads
// and changes JSON without touching what is not its own, replaces the file so that
// no other program's write is lost and no reader meets half a file, and acts with
// the rights of the account that the file belongs to.
//
// Limits, which nobody has reported: a program that reads the file within the
// millisecond in which ours hides its last write, and then writes, loses that write; of
// two such writes the last stands. A process of ours that is killed in this millisecond
// takes that write with it. Where the directory cannot be locked, what a killed process
// left beside the file stays. An account that rewrites a large file all the time costs up
// to four readings of it a second; CPUQuota= of the unit can bound that.
//
// A Target keeps tokens in "auths". A Helper keeps the name of our credential helper
// in "credHelpers" and no token at all. The helper itself is not here. Nor are tokens
// fetched or renewals planned.
package dockerconfig

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

// Options says which file to keep.
type Options struct {
	// Path is the file, absolute or beginning with ~/ for the home of the account.
	// Empty means $DOCKER_CONFIG/config.json, then ~/.docker/config.json; with
	// User, the latter. With Containers, see containersPath.
	Path string
	// Containers says that it is an auth.json.
	Containers bool
	// User is the account that the file belongs to and with whose rights it is
	// written. Empty means the account of this process.
	User string
	// InPlace says that the file keeps its inode when it changes, at the price that
	// session.overwrite names.
	InPlace bool
	// Command says that a person waits for the call: hints name the flags --file and
	// --user in place of the keys path and user, and promise no second try.
	Command bool
}

// Target keeps logins in one config.json. It is safe for concurrent use; calls
// take turns.
type Target struct{ *place }

var (
	_ renew.Target   = (*Target)(nil)
	_ renew.Watcher  = (*Target)(nil)
	_ renew.Remover  = (*Target)(nil)
	_ renew.Releaser = (*Target)(nil)
	_ renew.Warner   = (*Target)(nil)
)

// New checks the options and builds the target. It touches no file.
func New(o Options) (*Target, error) {
	p, err := newPlace(o)
	if err != nil {
		return nil, err
	}
	return &Target{p}, nil
}

const storing = "store logins"

// order is a Store that waits for its turn, or has been done in that of another.
type order struct {
	logins  []login.Login
	done    bool
	err     error
	verdict fault.List
}

// orders are those of a place that nobody has done yet, in the order in which they came.
type orders struct {
	sync.Mutex
	waiting []*order
}

// Store puts the logins into the file, each under its bare host and under no other
// name. Its error is a *fault.Error, or a fault.List for the hosts whose login is in
// the file but which docker will look for elsewhere. The call whose turn it is does all that
// wait: grants that come in together are one write.
func (t *Target) Store(ctx context.Context, logins []login.Login) error {
	mine := &order{logins: logins}
	t.orders.Lock()
	t.orders.waiting = append(t.orders.waiting, mine)
	t.orders.Unlock()
	defer t.waiting(mine)
	_, err := inTurn(ctx, t.place, storing, func(ctx context.Context) (Report, error) {
		if !mine.done {
			_, err := t.act(ctx, storing, access{create: true, adds: t.adding()}, t.storeAll)
			if err != nil || !mine.done {
				return Report{}, err
			}
		}
		if mine.err != nil {
			return Report{}, mine.err
		}
		return Report{}, mine.verdict.Err()
	})
	return err
}

// waiting are the orders that nobody has done yet; without is taken from them.
func (t *Target) waiting(without *order) []*order {
	t.orders.Lock()
	defer t.orders.Unlock()
	t.orders.waiting = slices.DeleteFunc(t.orders.waiting, func(o *order) bool { return o == without || o.done })
	return slices.Clone(t.orders.waiting)
}

// adding is about how many bytes all orders bring.
func (t *Target) adding() (bytes int64) {
	for _, o := range t.waiting(nil) {
		for _, l := range o.logins {
			bytes += int64(len(l.Host) + 2*len(l.Secret.Reveal()))
		}
	}
	return bytes
}

// storeAll does all orders that wait.
func (t *Target) storeAll(ctx context.Context, s *session) error {
	orders := t.waiting(nil)
	var logins []login.Login
	for _, o := range orders {
		logins = append(logins, o.logins...)
	}
	t.ask(hostsOf(logins))
	var before, after unix.Stat_t
	linked := s.stat(s.path, &before) == nil && before.Nlink > 1
	doc, err := s.update(ctx, func(d *document) (bool, error) { return d.store(logins), nil })
	if ctx.Err() != nil {
		return err // the others' contexts may go on: they try it themselves
	}
	var j judge
	if err == nil {
		_ = s.stat(s.path, &after)
		if t.inode != 0 && before.Ino != t.inode {
			t.news = fmt.Sprintf("another program has replaced %s, as docker login and docker logout do: a container into which it is mounted by itself keeps the old file until it is started again", s.path)
		}
		if s.inPlace {
			t.inode = after.Ino
		}
		if linked && after.Nlink == 1 {
			t.news = fmt.Sprintf("%s was a hard link: the file's other name keeps the old content and goes stale; find it by content, and make it a symbolic link to %s", s.path, s.path)
		}
		j = s.judge(doc)
		t.notes = j.notes(hostsOf(logins))
		t.wrote(doc, j.file)
	}
	t.orders.Lock() // calls that end read done
	defer t.orders.Unlock()
	for _, o := range orders {
		if o.done = true; err != nil {
			o.err = s.fault(storing, err)
		} else {
			o.verdict = j.verdict(hostsOf(o.logins), sent(o.logins))
		}
	}
	return err
}

func hostsOf(logins []login.Login) []string {
	hosts := make([]string, len(logins))
	for i, l := range logins {
		hosts[i] = l.Host
	}
	return hosts
}

// Remove takes those of the logins out of the file that are still in it, doubles
// included. Its error is a *fault.Error.
func (t *Target) Remove(ctx context.Context, logins []login.Login) error {
	return t.takeOut(ctx, func(d *document) bool { return d.remove(logins) })
}

func (t *Target) takeOut(ctx context.Context, edit func(*document) bool) error {
	_, err := t.change(ctx, "remove logins", access{}, func(ctx context.Context, s *session) error {
		_, err := s.update(ctx, func(d *document) (bool, error) { return edit(d), nil })
		return err
	})
	return err
}

// Release is Remove: beyond the logins themselves, nothing is kept of a host.
func (t *Target) Release(ctx context.Context, logins []login.Login) error {
	return t.Remove(ctx, logins)
}

// Forget takes the logins of hosts that are ours out of the file although their
// tokens are not known any more: those whose user is AWS. ours is asked with names
// in lower case. Its error is a *fault.Error.
func (t *Target) Forget(ctx context.Context, ours func(host string) bool) error {
	return t.takeOut(ctx, func(d *document) bool { return d.forget(ours) })
}

// Warning says that others may read the file, which Store leaves as it is: somebody may
// have meant it so. Once, it says that the file had another name, a hard link, which
// Store does not write to. It costs one stat.
func (t *Target) Warning(ctx context.Context) string {
	warning, _ := inTurn(ctx, t.place, "", func(ctx context.Context) (string, error) { // Store says what is wrong
		if news := t.takeNews(); news != "" {
			return news, nil
		}
		w, err := t.resolve(ctx, false)
		var st unix.Stat_t
		if err != nil || w.stat(w.path, &st) != nil || st.Mode&0o044 == 0 {
			return t.notes, err
		}
		return fmt.Sprintf("the mode %04o of %s lets others read the tokens in it: chmod 600 %s", st.Mode&0o777, w.path, w.path), nil
	})
	return warning
}

// Stale reports whether one of the logins is not in the file as Store leaves it, or
// docker will look for it elsewhere. It is also true when the file cannot be read:
// Store then says why. Where this process lacks what it takes to look, such as a file
// descriptor, nothing is known to be undone, and there is an error. It is false while the account, or the home, is not there:
// no login can be undone in a place that does not exist. Unless the file has
// changed it costs one stat. An error may also mean that there was no answer in time.
func (t *Target) Stale(ctx context.Context, logins []login.Login) (bool, error) {
	return t.undone(ctx, logins, (*look).holds)
}
