package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/osuser"
)

// site is where the file is for one call, and whose rights the call has there.
type site struct {
	path string
	user string          // as configured; empty for this process itself
	as   *osuser.Account // nil for this process as it is
	// command is how hints are worded; see Options.
	command bool
	// variable says that the path comes from DOCKER_CONFIG.
	variable bool
	adds     int64 // about how many bytes a file will have more than now
}

var errNoHome = &problem{"find the home directory: HOME is not set", "set HOME, DOCKER_CONFIG or {--file}"}

// accountLife is how long an account that was found is not looked up again, so
// that a hundred grants on one file ask a directory service once.
const accountLife = 10 * time.Second

// site finds out where to work. With fresh, the account is looked up again if that
// was not done just now. The site returned with an error serves to name it.
func (p *place) site(ctx context.Context, fresh bool) (site, error) {
	w := site{path: p.path, user: p.user, command: p.command, variable: p.variable}
	rest, inHome := strings.CutPrefix(p.path, underHome)
	var home string
	switch {
	case p.user != "":
		if p.account == nil || fresh && time.Since(p.foundAt) > accountLife {
			found, err := p.find(ctx, p.user)
			if err != nil {
				return w, err
			}
			p.account, p.foundAt = found, time.Now()
		}
		home = p.account.Home
		if p.account.UID != os.Geteuid() {
			w.as = p.account
		}
	case inHome: // $HOME is not set, which is usual for a system service
		self, err := user.LookupId(strconv.Itoa(os.Geteuid()))
		if err != nil {
			return w, fmt.Errorf("%w: user id %d: %w", errNoHome, os.Geteuid(), err)
		}
		home = self.HomeDir
	}
	if inHome {
		if !filepath.IsAbs(home) {
			return w, fmt.Errorf("home directory %q: not an absolute path", home)
		}
		w.path = filepath.Join(home, rest)
	}
	return w, nil
}

// update edits the file as session.update does, with create and without as visit.
func (w site) update(ctx context.Context, create bool, edit func(*document) bool) (doc *document, err error) {
	err = w.visit(ctx, create, func(s *session) (err error) {
		doc, err = s.update(ctx, func(d *document) (bool, error) { return edit(d), nil })
		return err
	})
	return doc, err
}

// visit runs f in a session, with the account's rights and after what a session
// before has left is cleared away. With create, the directory is made. Without, one
// that is not there is no error: there is nothing to edit, and f may not have run.
func (w site) visit(ctx context.Context, create bool, f func(*session) error) error {
	err := as(w.as, func() error {
		s, err := w.open(ctx, create)
		if err != nil {
			return err
		}
		defer s.close()
		if err := s.recover(ctx); err != nil {
			return err
		}
		return f(s)
	})
	if !create && errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
