package daemon

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestARemovedSocketOfTheServiceManagerIsSaid(t *testing.T) {
	for _, when := range []string{"before the start", "later"} {
		t.Run(when, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			if when != "later" {
				_ = os.Remove(path)
			}
			d := start(t, registries, Options{Socket: l})
			if when == "later" {
				if p := d.Status().Socket.Error; p != nil {
					t.Errorf("says %q of a socket that is there", p.Message)
				}
				_ = os.Remove(path)
			}
			for deadline := time.Now().Add(patience); d.Status().Socket.Error == nil; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nothing is said")
				}
			}
			if p := d.Status().Socket.Error; !strings.Contains(p.Message, path) || !strings.Contains(p.Hint, "systemctl stop ecr-refreshd.socket && systemctl restart ecr-refreshd.service") ||
				!strings.Contains(d.Status().Summary(), p.Message) {
				t.Errorf("says %q, %q", p.Message, d.Status().Summary())
			}
		})
	}
}
