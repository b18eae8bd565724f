package restart

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSealsHold(t *testing.T) {
	f, err := sealed([]byte("tokens"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tests := []struct {
		name string
		do   func() error
	}{
		{"write", func() error { _, err := f.WriteAt([]byte("x"), 0); return err }},
		{"grow", func() error { return f.Truncate(7) }},
		{"shrink", func() error { return f.Truncate(1) }},
		{"map to write", func() error {
			_, err := unix.Mmap(int(f.Fd()), 0, 6, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		}},
		{"seal more", func() error { _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); return err }},
	}
	for _, tt := range tests {
		if err := tt.do(); !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: got %v, want %v", tt.name, err, unix.EPERM)
		}
	}
	info, err := f.Stat()
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Error("children inherit it")
	}
	for range 2 { // whoever reads does not move the offset of the others
		if data, err := unsealed(f); err != nil || string(data) != "tokens" {
			t.Errorf("read back %q, %v", data, err)
		}
	}
}

func TestOnlySealedFilesAreRead(t *testing.T) {
	memory := func(seals int, size int) *os.File {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "test")
		if err := f.Truncate(int64(size)); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
			t.Fatal(err)
		}
		return f
	}
	disk, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	tests := []struct {
		name, want string
		file       *os.File
	}{
		{"on a disk", "not a sealed file", disk},
		{"a pipe", "not a sealed file", pipe},
		{"without seals", "not a sealed file", memory(0, 1)},
		{"can be written", "not a sealed file", memory(seals&^unix.F_SEAL_WRITE, 1)},
		{"can be cut", "not a sealed file", memory(seals&^unix.F_SEAL_SHRINK, 1)},
		{"too large", "are more than", memory(seals, sizeLimit+1)},
		{"sealed", "", memory(seals, 3)},
	}
	for _, tt := range tests {
		data, err := unsealed(tt.file)
		tt.file.Close()
		switch {
		case tt.want == "" && (err != nil || !bytes.Equal(data, make([]byte, 3))):
			t.Errorf("%s: got %q, %v", tt.name, data, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
