package api

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/testuser"
)

// dirs makes the directories a/b in a new one and gives the last.
func dirs(t *testing.T) (outer, inner string) {
	t.Helper()
	outer = filepath.Join(t.TempDir(), "a")
	inner = filepath.Join(outer, "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	return outer, inner
}

// A stranger who can put a link in the place of the new socket would choose what
// root opens to everybody.
func TestADirectoryInWhichOthersCouldReplaceTheSocketIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(outer, inner string) error
		at      string // below outer
		want    string // in the error or the hint
		root    bool   // it takes root to prepare
	}{
		{"all may write", func(_, inner string) error { return os.Chmod(inner, 0o777) }, "b/s", "so that anybody could change", false},
		{"its group may write", func(_, inner string) error {
			return errors.Join(os.Chown(inner, -1, testuser.Other), os.Chmod(inner, 0o775))
		}, "b/s", "the group 47001 could change", true},
		{"another's", func(_, inner string) error { return os.Chown(inner, testuser.Other, -1) }, "b/s", "belongs to uid 47001", true},
		{"another's sticky one", func(_, inner string) error {
			return errors.Join(os.Chmod(inner, 0o777|fs.ModeSticky), os.Chown(inner, testuser.Other, -1))
		}, "b/s", "belongs to uid 47001", true},
		{"in one that all may write", func(outer, _ string) error { return os.Chmod(outer, 0o777) }, "b/s", "chmod go-w", false},
		{"new in one that all may write", func(outer, _ string) error { return os.Chmod(outer, 0o777) }, "new/s", "chmod go-w", false},
		{"behind a link into it", func(outer, inner string) error {
			return errors.Join(os.Symlink("b", filepath.Join(outer, "link")), os.Chmod(inner, 0o777))
		}, "link/s", "chmod go-w", false},
		{"behind another's link", func(outer, _ string) error {
			link := filepath.Join(outer, "link")
			return errors.Join(os.Symlink("b", link), os.Lchown(link, testuser.Other, -1))
		}, "link/s", "belongs to uid 47001", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root {
				testuser.NeedRoot(t)
			}
			outer, inner := dirs(t)
			if err := tt.prepare(outer, inner); err != nil {
				t.Fatal(err)
			}
			_, err := Listen(t.Context(), filepath.Join(outer, tt.at), "", 0o666)
			wantFault(t, err, nil, fault.Local, tt.want, "or set socket.path")
			if refused := (*filetrust.Error)(nil); !errors.As(err, &refused) {
				t.Errorf("got %v", err)
			}
			onlyFile(t, inner)
			if _, err := os.Lstat(filepath.Join(outer, "new")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a directory was made: %v", err)
			}
		})
	}
}

func TestADirectoryInWhichOthersMayOnlyAddIsGoodEnough(t *testing.T) {
	outer, inner := dirs(t)
	link := filepath.Join(outer, "link")
	if err := errors.Join(os.Chmod(inner, 0o777|fs.ModeSticky), os.Symlink("b", link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(inner, "s"), filepath.Join(link, "s2"), filepath.Join(inner, "new", "s")} {
		wantAnswered(t, mustListen(t, path, "", 0o600), path)
	}
}
