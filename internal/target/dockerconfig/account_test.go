package dockerconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// directoryService puts commands in front of the path that answer as with accounts
// from a directory.
func directoryService(t *testing.T, getent, id string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{"getent": getent, "id": id} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestAccountsAreFoundInTheFileAndInADirectory(t *testing.T) {
	const name = "no-such-account-here"
	tests := []struct {
		name, getent, id string
		want             *account
		cause            error
	}{
		{"found", `echo "$2:*:70001:70002:Jane,,:/home/jane:/bin/sh"`, `echo 70002 70003`,
			&account{name, 70001, 70002, []int{70002, 70003}, "/home/jane"}, nil},
		{"unknown", `exit 2`, `exit 1`, nil, errUnknownAccount},
		{"groups unknown", `echo "$2:*:70001:70002::/home/jane:/bin/sh"`, `exit 1`, nil, errUnknownAccount},
		{"nonsense", `echo hello`, `exit 1`, nil, nil},
		{"no id", `echo "$2:*:-1:70002::/home/jane:/bin/sh"`, `echo 70002`, nil, nil},
		{"the id that means none", `echo "$2:*:4294967295:70002::/home/jane:/bin/sh"`, `echo 70002`, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			directoryService(t, tt.getent, tt.id)
			got, err := lookupAccount(t.Context(), name)
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.want != nil) || tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if a, err := lookupAccount(t.Context(), "root"); err != nil || a.uid != 0 || a.home == "" || len(a.groups) == 0 {
		t.Errorf("root is %+v, %v", a, err)
	}
}

func TestAnAccountThatIsNotThereYetIsWaitedFor(t *testing.T) {
	target, err := New(Options{User: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	target.find = func(context.Context, string) (*account, error) { return nil, fmt.Errorf("%w: jane", errUnknownAccount) }
	wantFault(t, target.Store(t.Context(), logins("pw")), errUnknownAccount, "getent passwd jane")
	wantStale(t, target, false, logins("pw")...)
	home := t.TempDir()
	target.find = func(context.Context, string) (*account, error) {
		return &account{name: "jane", uid: os.Geteuid(), gid: os.Getegid(), home: home}, nil
	}
	store(t, target, logins("pw")...)
	if got := auths(t, filepath.Join(home, ".docker", "config.json")); len(got) != 2 {
		t.Errorf("stored %v", got)
	}
	wantStale(t, target, false, logins("pw")...)
}

func TestAnotherAccountTakesTheRightToActAsIt(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may; the other tests show it")
		return
	}
	target, err := New(Options{User: "jane", Path: filepath.Join(t.TempDir(), "config.json")})
	if err != nil {
		t.Fatal(err)
	}
	target.find = func(context.Context, string) (*account, error) {
		return &account{name: "jane", uid: testUID, gid: testGID, home: "/"}, nil
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), errIdentity, "run ecr-refreshd as root")
}
