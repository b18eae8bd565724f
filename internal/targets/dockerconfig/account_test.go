package dockerconfig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ecr-refreshd/internal/osuser"
)

func TestAnAccountThatIsNotThereYetIsWaitedFor(t *testing.T) {
	target, err := New(Options{User: "jane"})
	if err != nil {
		t.Fatal(err)
	}
	target.find = func(context.Context, string) (*osuser.Account, error) {
		return nil, fmt.Errorf("%w: jane", osuser.ErrUnknown)
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), osuser.ErrUnknown, "getent passwd jane")
	wantStale(t, target, false, logins("pw")...)
	home := t.TempDir()
	target.find = func(context.Context, string) (*osuser.Account, error) {
		return &osuser.Account{Name: "jane", UID: os.Geteuid(), GID: os.Getegid(), Home: home}, nil
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
	target.find = func(context.Context, string) (*osuser.Account, error) {
		return &osuser.Account{Name: "jane", UID: testUID, GID: testGID, Home: "/"}, nil
	}
	wantFault(t, target.Store(t.Context(), logins("pw")), errIdentity, "run ecr-refreshd as root")
}
