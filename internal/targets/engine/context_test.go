package engine

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Without TLS the tokens would cross the network in the clear.
func TestEachOfAContextsFilesTurnsTLSOn(t *testing.T) {
	if contextTLS(t.TempDir(), false).on {
		t.Error("TLS is on without a file")
	}
	if !contextTLS(t.TempDir(), true).on {
		t.Error("TLS that verifies nothing is off")
	}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if !contextTLS(dir, false).on {
			t.Errorf("TLS is off with %s alone", name)
		}
	}
}

func TestOnlyWhatTookTooLongHasAHint(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if a, b := interrupted(ended, nil), interrupted(late, nil); a.Hint != "" || b.Hint == "" {
		t.Errorf("hints %q and %q", a.Hint, b.Hint)
	}
}
