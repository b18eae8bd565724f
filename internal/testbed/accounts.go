package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// firstID is the user and group id of the first account: no distribution gives
// it to an account of its own.
const firstID = 47001

// Account is somebody on the machine inside.
type Account struct {
	Name     string
	UID, GID int
	Groups   []int // supplementary
	Home     string
}

// Root is the account of this process, with its home in the bed.
func (b *Bed) Root() Account { return Account{Name: "root", Home: rootHome} }

// Account gives one of Options.Accounts. It panics for any other name.
func (b *Bed) Account(name string) Account {
	a, ok := b.accounts[name]
	if !ok {
		panic("testbed: no account " + strconv.Quote(name))
	}
	return a
}

// addAccounts writes the accounts into the private /etc and makes their homes.
func (b *Bed) addAccounts(names []string) error {
	users, err := entriesWithout(passwdFile, names)
	if err != nil {
		return err
	}
	groups, err := entriesWithout(groupFile, append(slices.Clone(names), groupDocker))
	if err != nil {
		return err
	}
	const docker = firstID - 1
	groups = append(groups, fmt.Sprintf("%s:x:%d:%s", groupDocker, docker, strings.Join(names, ",")))
	b.accounts = make(map[string]Account, len(names))
	for i, name := range names {
		a := Account{Name: name, UID: firstID + i, GID: firstID + i, Groups: []int{docker}, Home: filepath.Join(homes, name)}
		b.accounts[name] = a
		users = append(users, fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh", name, a.UID, a.GID, a.Home))
		groups = append(groups, fmt.Sprintf("%s:x:%d:", name, a.GID))
		if err := b.MakeHome(a); err != nil {
			return err
		}
	}
	if err := os.WriteFile(passwdFile, lines(users), 0o644); err != nil {
		return err
	}
	return os.WriteFile(groupFile, lines(groups), 0o644)
}

// MakeHome makes the account's empty home directory.
func (b *Bed) MakeHome(a Account) error {
	if err := os.Mkdir(a.Home, 0o700); err != nil {
		return err
	}
	return os.Chown(a.Home, a.UID, a.GID)
}

// entriesWithout gives the lines of a file such as /etc/passwd that are not
// about one of the names.
func entriesWithout(file string, names []string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(string(content)), "\n"), func(entry string) bool {
		name, _, _ := strings.Cut(entry, ":")
		return slices.Contains(names, name)
	}), nil
}

func lines(entries []string) []byte { return []byte(strings.Join(entries, "\n") + "\n") }
