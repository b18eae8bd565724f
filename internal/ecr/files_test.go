package ecr

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// TestFilesThatNeverEndAreNotRead would wait for ever, as the SDK's reading of
// files knows no context.
func TestFilesThatNeverEndAreNotRead(t *testing.T) {
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	zero := func(path string) error { return os.Symlink("/dev/zero", path) }
	huge := func(path string) error {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		return os.Truncate(path, fileLimit+1)
	}
	tests := []struct {
		name, variable string // empty: a profile names the file
		make           func(path string) error
		want           string
	}{
		{"config", "AWS_CONFIG_FILE", fifo, "is not a regular file"},
		{"credentials", "AWS_SHARED_CREDENTIALS_FILE", fifo, "is not a regular file"},
		{"web identity", "AWS_WEB_IDENTITY_TOKEN_FILE", fifo, "is not a regular file"},
		{"web identity of a profile", "", fifo, "is not a regular file"},
		{"certificates", "AWS_CA_BUNDLE", fifo, "is not a regular file"},
		{"link to a device", "AWS_CONFIG_FILE", zero, "is not a regular file"},
		{"huge", "AWS_CONFIG_FILE", huge, "is too large: it has more than 1048576 bytes"},
		{"huge web identity of a profile", "", huge, "is too large: it has more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := isolate(t)
			file := filepath.Join(dir, "file")
			if err := tt.make(file); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_ROLE_ARN", firstRole)
			id := newFake(t).id()
			if tt.variable == "" {
				id.Profile = "ci"
				write(t, filepath.Join(dir, "config"), "[profile ci]\nrole_arn="+firstRole+"\nweb_identity_token_file="+file+"\n")
			} else {
				t.Setenv(tt.variable, file)
			}
			err := failFetch(t, newSource(t, id, Options{}))
			if err.Reason != fault.Credentials || !strings.Contains(err.Error(), `"`+file+`" `+tt.want) || !strings.Contains(err.Hint, "regular file") {
				t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
			}
		})
	}
}

func TestNoFileIsAFile(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	mustFetch(t, newSource(t, newFake(t).id(), Options{}))
}

func TestAWebIdentityOfAProfileIsRead(t *testing.T) {
	dir := isolate(t)
	write(t, filepath.Join(dir, "token"), canary)
	write(t, filepath.Join(dir, "config"), "[profile ci]\nrole_arn="+firstRole+"\nweb_identity_token_file="+filepath.Join(dir, "token")+"\n")
	f := newFake(t)
	id := f.id()
	id.Profile = "ci"
	mustFetch(t, newSource(t, id, Options{}))
	if got := f.operations("AssumeRoleWithWebIdentity"); len(got) != 1 || !strings.Contains(got[0].body, "WebIdentityToken="+canary) {
		t.Errorf("asked %v", got)
	}
}

// TestRootRunsNoCommandOfAnotherAccount: under sudo -E HOME is that of who called it.
func TestRootRunsNoCommandOfAnotherAccount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has something to lose")
	}
	for _, owner := range []int{0, 65534} {
		dir := isolate(t)
		ran := filepath.Join(dir, "ran")
		file := filepath.Join(dir, "config")
		write(t, file, "[profile ci]\ncredential_process=touch "+ran+"; exit 1\n")
		if err := os.Chown(file, owner, -1); err != nil {
			t.Fatal(err)
		}
		err := failFetch(t, newSource(t, login.Identity{Profile: "ci"}, Options{}))
		_, missing := os.Stat(ran)
		if refused := strings.Contains(err.Error(), "could change the credential_process that root runs"); refused != (owner != 0) || refused == (missing == nil) {
			t.Errorf("uid %d: %v (%s), ran %v", owner, err, err.Hint, missing == nil)
		}
	}
}

// Each look at a file costs, and two of them may find two files: one is for what must
// not be shown, one for where credentials come from, one is the SDK's own.
func TestASharedFileIsOpenedThreeTimesForAnAttempt(t *testing.T) {
	dir := isolate(t)
	file := filepath.Join(dir, "config")
	write(t, file, "[profile ci]\naws_access_key_id=AKIA1\naws_secret_access_key="+canary+"\n")
	watch, err := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(watch)
	// The kernel makes one of equal events that follow each other: the closing keeps them apart.
	if _, err := syscall.InotifyAddWatch(watch, file, syscall.IN_OPEN|syscall.IN_CLOSE_NOWRITE); err != nil {
		t.Fatal(err)
	}
	id := newFake(t).id()
	id.Profile = "ci"
	mustFetch(t, newSource(t, id, Options{}))
	n, err := syscall.Read(watch, make([]byte, 4096))
	if opened := n / syscall.SizeofInotifyEvent / 2; err != nil || opened != 3 {
		t.Errorf("opened %d times, %v", opened, err)
	}
}
