package filetrust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

func TestReadNamesTheSettingAndIsBounded(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	if err := unix.Mknod(socket, unix.S_IFSOCK|0o600, 0); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       error
	}{
		{"socket", socket, ErrNotRegular},
		{"at the limit", file("full", "12345678"), nil},
		{"over the limit", file("over", "123456789"), ErrTooLarge},
		{"missing", filepath.Join(dir, "no"), fs.ErrNotExist},
		{"directory", dir, ErrNotRegular},
		{"fifo", fifo, ErrNotRegular},
		{"device without an end", "/dev/zero", ErrNotRegular},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := Read("aws.ca_bundle", tt.path, 8)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if err == nil && string(data) != "12345678" {
				t.Errorf("read %q", data)
			}
			if err != nil && (!strings.HasPrefix(err.Error(), "aws.ca_bundle: ") || data != nil) {
				t.Errorf("data %q, error %v", data, err)
			}
		})
	}
}

func TestReadDoesNotWaitForADeadFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan struct{})
		var opened atomic.Int32
		dead := func(string) (*os.File, error) {
			opened.Add(1)
			<-answers
			return nil, fs.ErrNotExist
		}
		for range 3 {
			if _, err := read("log", "/dead/file", 8, dead); !errors.Is(err, ErrHangs) {
				t.Fatalf("error %v, want ErrHangs", err)
			}
		}
		if n := opened.Load(); n != 1 {
			t.Errorf("%d reads hang, want one", n)
		}
		close(answers)
		synctest.Wait()
		if _, err := read("log", "/dead/file", 8, dead); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v once the file system answers again", err)
		}
	})
}
