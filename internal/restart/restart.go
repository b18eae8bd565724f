// Package restart carries the held tokens across a restart of the daemon, so
// that it does not depend on AWS: sealed, in memory, in the service manager's
// descriptor store, and never in a file of a disk. What a token is good for, and
// when to renew it, is decided elsewhere.
//
// The store holds one snapshot of everything, and two for as long as a newer
// one takes the place of a former. Its pages are as safe from swapping as the
// daemon's own memory, no safer.
package restart

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

const (
	// prefix begins the names of our files in the store.
	prefix = "ecr-refreshd-tokens-"
	// most is how many files are in the store at once.
	most = 2
)

// Store keeps files in memory beyond the end of this process, and passes them on
// to the next one. systemd.Manager is one.
type Store interface {
	// Put keeps file under name from now on; the caller may close it. Requests are
	// carried out in their order, also when this process ends at once.
	Put(name string, file *os.File) error
	// Drop keeps the file of that name no longer.
	Drop(name string) error
	// Keeps reports whether there is room for n files. Why says why not, or on what
	// it depends where that is not known.
	Keeps(n int) (ok bool, why string)
}

// Saver keeps a snapshot of the tokens in a Store. It is for one goroutine at
// a time.
type Saver struct {
	store   Store
	current string                  // the name of the snapshot in the store; empty for none
	saved   map[string]login.Secret // what is in it
	former  []string                // the names of other files of ours in the store, which are to go
}

// Open takes over, by key, the tokens of the former process that are still good;
// their times are made to fit this host's clock. Files that are not ours are left
// alone, ours are closed. Why is for people: why there are no tokens, or what else
// was handed over and cannot be used; empty when all is well. Nothing that is
// handed over can make it fail.
func Open(files []*os.File, store Store) (h *Saver, tokens map[string]login.Token, why string) {
	return open(files, store, present())
}

func open(files []*os.File, store Store, now moment) (*Saver, map[string]login.Token, string) {
	h := &Saver{store: store}
	var newest snapshot
	var unread []string
	for _, f := range files {
		name := f.Name()
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		s, err := read(f)
		switch {
		case err != nil:
			unread = append(unread, fmt.Sprintf("file %q of the former process cannot be used: %v", name, err))
			h.former = append(h.former, name)
		case h.current != "" && s.boot <= newest.boot:
			h.former = append(h.former, name)
		default: // each snapshot is complete, so the newest is all that counts
			h.retire()
			h.current, newest = name, s
		}
	}
	h.saved = secrets(newest.tokens)
	_ = h.drop() // so that there is room; Save tries again, and tells
	tokens := newest.alive(now)
	return h, tokens, explain(len(tokens), len(newest.tokens), unread, store)
}

// read takes the snapshot out of f and closes it.
func read(f *os.File) (snapshot, error) {
	defer f.Close()
	data, err := unsealed(f)
	if err != nil {
		return snapshot{}, err
	}
	defer clear(data)
	return decode(data)
}

// alive gives the tokens that have not expired, with the times that they have by
// the wall clock at now.
func (s snapshot) alive(now moment) map[string]login.Token {
	shift := s.shift(now)
	alive := make(map[string]login.Token)
	for key, t := range s.tokens {
		t.ObtainedAt, t.ExpiresAt = t.ObtainedAt.Add(shift), t.ExpiresAt.Add(shift)
		if !t.SessionEndsAt.IsZero() {
			t.SessionEndsAt = t.SessionEndsAt.Add(shift)
		}
		if t.ExpiresAt.After(now.wall) {
			alive[key] = t
		}
	}
	return alive
}

// explain says what people should know of n tokens taken, of those handed over.
func explain(n, of int, unread []string, store Store) string {
	switch {
	case len(unread) > 0:
		return strings.Join(unread, "; ")
	case n > 0:
		return ""
	case of > 0:
		return fmt.Sprintf("all %d tokens of the former process have expired", of)
	}
	ok, why := store.Keeps(most)
	if !ok {
		return why
	}
	text := "there is no former process that handed any over: they outlive a restart of the service, not a stop"
	if why != "" {
		text += "; " + why
	}
	return text
}

// Save makes tokens, by key, what the next process takes over. It does nothing
// while they are those of the last Save that succeeded, and without a store;
// without tokens it empties the store. The order of its steps loses nothing,
// wherever the process may end. An error is a *fault.Error; the former snapshot is
// then kept, and the same call is worth repeating.
func (h *Saver) Save(tokens map[string]login.Token) error {
	return h.save(tokens, present())
}

func (h *Saver) save(tokens map[string]login.Token, now moment) error {
	if ok, _ := h.store.Keeps(most); !ok {
		return nil // Open has said it
	}
	err := h.update(tokens, now)
	if err == nil {
		err = h.drop()
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Reason: fault.Local, Op: "hand the tokens to the service manager", Err: err,
		Hint: "until that succeeds, a restart may have to fetch tokens again; `systemctl status` of the service shows whether the service manager is well"}
}

// update puts a new snapshot into the store, if it differs from the current one.
func (h *Saver) update(tokens map[string]login.Token, now moment) error {
	held := secrets(tokens)
	if maps.EqualFunc(held, h.saved, login.Secret.Equal) {
		return nil
	}
	name := ""
	if len(tokens) > 0 {
		name = prefix + rand.Text()
		if err := h.put(name, snapshot{now, tokens}); err != nil {
			return err
		}
	}
	h.retire()
	h.current, h.saved = name, held
	return nil
}

func (h *Saver) put(name string, s snapshot) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	// The strings that the secrets are made of cannot be cleared; this copy can.
	defer clear(data)
	f, err := sealed(data)
	if err != nil {
		return err
	}
	defer f.Close()
	return h.store.Put(name, f)
}

// retire makes the current snapshot a former one.
func (h *Saver) retire() {
	if h.current != "" {
		h.former = append(h.former, h.current)
		h.current = ""
	}
}

// drop takes what is former out of the store.
func (h *Saver) drop() error {
	var errs []error
	h.former = slices.DeleteFunc(h.former, func(name string) bool {
		err := h.store.Drop(name)
		errs = append(errs, err)
		return err == nil
	})
	return errors.Join(errs...)
}

func secrets(tokens map[string]login.Token) map[string]login.Secret {
	m := make(map[string]login.Secret)
	for key, t := range tokens {
		m[key] = t.Secret
	}
	return m
}
