// Package placed is the record of which logins lie where: what the next process needs to take
// away those that nobody keeps any more. There is no secret in it. It decides nothing;
// package daemon writes it, and reads it at its start.
package placed

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
)

// Record is what one configuration has led to. The zero Record is that of the first start.
type Record struct {
	Places []Place `json:"places"`
	Grants []Grant `json:"grants"`
}

// Place is where a target writes, as its kind's options say it.
type Place struct {
	Type    string          `json:"type"`
	Options json.RawMessage `json:"options"`
}

// Grant is the logins of one token: those that the places hold may also be the token
// before it.
type Grant struct {
	Key    string  `json:"key"`    // config.Grant.Key
	Tokens []Token `json:"tokens"` // the newest first
	Held   []Held  `json:"held"`
}

// Token is a token that is known by its digest.
type Token struct {
	Digest    login.Digest `json:"digest"`
	Account   string       `json:"account,omitempty"` // that it was issued to
	ExpiresAt time.Time    `json:"expires_at"`
}

// Held are the hosts whose logins some places hold.
type Held struct {
	Places []int    `json:"places"` // indexes in Record.Places
	Hosts  []string `json:"hosts"`
}

// limit bounds a record, in bytes: room for 50,000 hosts with several targets.
const limit = 16 << 20

// Path is the file for the configuration at config: in systemd's StateDirectory=, for root in
// /var/lib/ecr-refreshd, for others in $XDG_STATE_HOME/ecr-refreshd or
// ~/.local/state/ecr-refreshd. Each configuration has its own.
func Path(getenv func(string) string, uid int, config string) (string, error) {
	absolute, err := filepath.Abs(config)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(absolute))
	name := fmt.Sprintf("placed-%x.json", sum[:8])
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return filepath.Join(dir, name), nil
	}
	if uid == 0 {
		return filepath.Join("/var/lib/ecr-refreshd", name), nil
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ecr-refreshd", name), nil
	}
	if dir := getenv("HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, ".local", "state", "ecr-refreshd", name), nil
	}
	return "", errors.New("neither $XDG_STATE_HOME nor $HOME is set")
}

// Read reads the record; one that is not there is the zero Record. A record that others could
// change is an error: it says what to remove.
func Read(path string) (r Record, err error) {
	rule := filetrust.Rule{What: "which logins to remove", Owners: []uint32{uint32(os.Geteuid()), 0}}
	text, err := rule.Read("read what was placed", path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("read %q: %w", path, err)
	}
	for _, g := range r.Grants {
		for _, h := range g.Held {
			for _, i := range h.Places {
				if i < 0 || i >= len(r.Places) {
					return Record{}, fmt.Errorf("read %q: there is no place %d", path, i)
				}
			}
		}
	}
	return r, nil
}

// Write puts the record in the place of the last one. It makes its directory where that is missing.
func (r Record) Write(path string) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there is none after the renaming
	if err := errors.Join(json.NewEncoder(f).Encode(r), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Logins are those that the place may hold, by the age of their tokens: at most one a host in
// each list.
func (r Record) Logins(place int) (logins [][]login.Login) {
	for _, g := range r.Grants {
		for _, h := range g.Held {
			if !slices.Contains(h.Places, place) {
				continue
			}
			for i, t := range g.Tokens {
				if len(logins) == i {
					logins = append(logins, nil)
				}
				token := login.Remembered(t.Digest, t.ExpiresAt)
				for _, host := range h.Hosts {
					logins[i] = append(logins[i], token.For(host))
				}
			}
		}
	}
	return logins
}

// Valid reports whether a login that the place may hold is valid still.
func (r Record) Valid(place int, now time.Time) bool {
	return slices.ContainsFunc(r.Logins(place), func(ls []login.Login) bool {
		return slices.ContainsFunc(ls, func(l login.Login) bool { return now.Before(l.ExpiresAt) })
	})
}

// Tokens are the tokens by their grant's key.
func (r Record) Tokens() map[string][]Token {
	tokens := make(map[string][]Token, len(r.Grants))
	for _, g := range r.Grants {
		if _, known := tokens[g.Key]; !known { // what Add has brought comes after, and is older
			tokens[g.Key] = g.Tokens
		}
	}
	return tokens
}

// Add adds a place of another record, and what that says of it.
func (r *Record) Add(other Record, place int) {
	r.Places = append(r.Places, other.Places[place])
	for _, g := range other.Grants {
		added := Grant{Key: g.Key, Tokens: g.Tokens}
		for _, h := range g.Held {
			if slices.Contains(h.Places, place) {
				added.Held = append(added.Held, Held{Places: []int{len(r.Places) - 1}, Hosts: h.Hosts})
			}
		}
		if len(added.Held) > 0 {
			r.Grants = append(r.Grants, added)
		}
	}
}
