package ecr

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/fault"
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
