package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnEntryOfTheJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fields := []Field{{"MESSAGE", "token renewed"}, {"HOST", "a"}, {"HOST", "b=c"}, {"TEXT", "two\nlines"}, {"EMPTY", ""}}
	if err := logTo(path, fields); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1000)
	n, err := l.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	want := "MESSAGE=token renewed\nHOST=a\nHOST=b=c\nTEXT\n\x09\x00\x00\x00\x00\x00\x00\x00two\nlines\nEMPTY=\n"
	if string(got[:n]) != want {
		t.Errorf("got  %q\nwant %q", got[:n], want)
	}
	if logTo(path, []Field{{"MESSAGE", strings.Repeat("x", 8<<20)}}) == nil {
		t.Error("an entry that is too long is no error")
	}
	if logTo(filepath.Join(t.TempDir(), "none"), fields) == nil {
		t.Error("no journal is no error")
	}
}
