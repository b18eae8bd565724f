package osuser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

// nobodyHere is in no file of any host that runs the tests.
const nobodyHere = "no-such-account-here"

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
	tests := []struct {
		name, getent, id string
		want             *Account
		unknown          bool
	}{
		{"found", `echo "$2:*:70001:70002:Jane,,:/home/jane:/bin/sh"`, `echo 70002 70003`,
			&Account{nobodyHere, 70001, 70002, []int{70002, 70003}, "/home/jane"}, false},
		{"unknown", `exit 2`, `exit 1`, nil, true},
		{"groups unknown", `echo "$2:*:70001:70002::/home/jane:/bin/sh"`, `exit 1`, nil, true},
		{"nonsense", `echo hello`, `exit 1`, nil, false},
		{"no id", `echo "$2:*:-1:70002::/home/jane:/bin/sh"`, `echo 70002`, nil, false},
		{"the id that means none", `echo "$2:*:4294967295:70002::/home/jane:/bin/sh"`, `echo 70002`, nil, false},
		{"killed", `kill -9 $$`, `exit 1`, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			directoryService(t, tt.getent, tt.id)
			got, err := Lookup(t.Context(), nobodyHere)
			if !reflect.DeepEqual(got, tt.want) || (err == nil) != (tt.want != nil) || errors.Is(err, ErrUnknown) != tt.unknown {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if a, err := Lookup(t.Context(), "root"); err != nil || a.UID != 0 || a.Home == "" || len(a.Groups) == 0 {
		t.Errorf("root is %+v, %v", a, err)
	}
}

// Who may have a login hangs on the id alone: the groups, for which a directory
// may take long, are not asked for.
func TestAnIDIsFoundWithoutItsGroups(t *testing.T) {
	directoryService(t, `[ "$1" = passwd ] && echo "$2:*:70001:70002:Jane,,:/home/jane:/bin/sh"`, "exit 1")
	if got, err := UID(t.Context(), nobodyHere); got != 70001 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	directoryService(t, `echo "$2:*:x:70002::/home/jane:/bin/sh"`, "exit 1")
	if got, err := UID(t.Context(), nobodyHere); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("got %d, %v", got, err)
	}
}

// A directory that is not to be asked, for it hangs, hides nobody of the files.
func TestTheFilesAnswerWhenTimeIsUp(t *testing.T) {
	directoryService(t, `echo "$2:*:70001:70002::/home/jane:/bin/sh"`, "echo 70002")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	uid, err := UID(ended, "root")
	if uid != 0 || err != nil {
		t.Errorf("root is %d, %v", uid, err)
	}
	gid, err := Group(ended, "root")
	if gid != 0 || err != nil {
		t.Errorf("the group root is %d, %v", gid, err)
	}
	name, err := Name(ended, 0)
	if name != "root" || err != nil {
		t.Errorf("uid 0 is %q, %v", name, err)
	}
	if _, err := UID(ended, nobodyHere); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
		t.Errorf("the directory was asked: %v", err)
	}
}

func TestGroupsAreFoundInTheFileAndInADirectory(t *testing.T) {
	tests := []struct {
		name, group, getent string
		want                int
		ok, unknown         bool
	}{
		{"in the file", "root", `exit 2`, 0, true, false},
		{"in a directory", nobodyHere, `[ "$1" = group ] && echo "$2:*:70009:jane"`, 70009, true, false},
		{"by number", "70010", `exit 2`, 70010, true, false},
		{"unknown", nobodyHere, `exit 2`, 0, false, true},
		{"nonsense", nobodyHere, `echo hello`, 0, false, false},
		{"no id", nobodyHere, `echo "$2:*:x:"`, 0, false, false},
		{"an option", "--help", `echo "$2:*:70009:jane"`, 0, false, true},
		{"empty", "", `echo "$2:*:70009:jane"`, 0, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			directoryService(t, tt.getent, "exit 1")
			got, err := Group(t.Context(), tt.group)
			if got != tt.want || (err == nil) != tt.ok || errors.Is(err, ErrUnknown) != tt.unknown {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func TestNamesOfIDs(t *testing.T) {
	directoryService(t, `[ "$2" = 70001 ] && echo "jane:*:70001:70002::/home/jane:/bin/sh"`, "exit 1")
	for uid, want := range map[int]string{0: "root", 70001: "jane"} {
		if got, err := Name(t.Context(), uid); got != want || err != nil {
			t.Errorf("uid %d is %q, %v", uid, got, err)
		}
	}
	if got, err := Name(t.Context(), 70002); got != "" || !errors.Is(err, ErrUnknown) {
		t.Errorf("an id without a name is %q, %v", got, err)
	}
}

func TestWithoutGetentTheFilesAreAllThereIs(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Group(t.Context(), nobodyHere); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// A directory that hangs is given up, and that is not the same as a name that
// nobody knows. Its children keep the output open, as a script's do.
func TestADirectoryThatHangsIsGivenUp(t *testing.T) {
	directoryService(t, `/bin/sleep 600`, "exit 1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Lookup(ctx, nobodyHere); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func FuzzPasswdAndGroupLines(f *testing.F) {
	f.Add("jane:*:70001:70002:Jane,,:/home/jane:/bin/sh")
	f.Add("docker:x:999:jane,john")
	f.Add(":::::::")
	f.Fuzz(func(t *testing.T, line string) {
		if a, err := ParseUser(line); err == nil && (a.Name == "" || a.UID < 0 || a.GID < 0) {
			t.Errorf("%q is %+v", line, a)
		}
		if _, id, _, err := ParseGroup(line); err == nil && id < 0 {
			t.Errorf("%q has the id %d", line, id)
		}
	})
}

func TestAGroupHasItsMembers(t *testing.T) {
	for line, want := range map[string][]string{"docker:x:9:": nil, "docker:x:9:a,b": {"a", "b"}, "docker:x:9": nil} {
		if name, gid, members, err := ParseGroup(line); name != "docker" || gid != 9 || !slices.Equal(members, want) || err != nil {
			t.Errorf("%q: %q, %d, %q, %v", line, name, gid, members, err)
		}
	}
}
