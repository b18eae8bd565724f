package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
)

// Each of the files that lead to an engine is a FIFO in its turn.
func TestAFileThatCannotBeReadIsNamedByItsSetting(t *testing.T) {
	meta := filepath.Join(".docker", "contexts", "meta", filepath.Base(contextDir("", "meta", "far")), "meta.json")
	inTLS := func(name string) string {
		return filepath.Join(".docker", "contexts", "tls", filepath.Base(contextDir("", "meta", "far")), "docker", name)
	}
	secured := map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1"}
	certs := map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "DIR"}
	own := Options{Host: "tcp://127.0.0.1:1", CA: "DIR/ca.pem", Cert: "DIR/cert.pem", Key: "DIR/key.pem"}
	tests := []struct {
		o          Options
		env        map[string]string
		file, want string
	}{
		{own, nil, "ca.pem", "tls.ca: "},
		{own, nil, "cert.pem", "tls.cert: "},
		{own, nil, "key.pem", "tls.key: "},
		{Options{}, certs, "ca.pem", "DOCKER_CERT_PATH: "},
		{Options{}, certs, "key.pem", "DOCKER_CERT_PATH: "},
		{Options{}, secured, ".docker/ca.pem", "DOCKER_TLS_VERIFY: "},
		{Options{Context: "far"}, nil, meta, `docker context "far": `},
		{Options{Context: "far"}, nil, inTLS("ca.pem"), `docker context "far": `},
		{Options{Context: "far"}, nil, inTLS("key.pem"), `docker context "far": `},
	}
	for _, tt := range tests {
		t.Run(tt.want+tt.file, func(t *testing.T) {
			env, dir := world(t, tt.env)
			newAuthority(t).write(t, dir)
			newAuthority(t).write(t, addContext(t, filepath.Join(dir, ".docker"), "far", metaFor("tcp://127.0.0.1:1")))
			for _, path := range []*string{&tt.o.CA, &tt.o.Cert, &tt.o.Key} {
				*path = strings.ReplaceAll(*path, "DIR", dir)
			}
			fifo := filepath.Join(dir, tt.file)
			_ = os.Remove(fifo)
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			tgt := newTarget(tt.o)
			tgt.env = env
			err := tgt.Store(t.Context(), loginsFor("h"))
			if !fault.Has(err, fault.Local) || !errors.Is(err, filetrust.ErrNotRegular) || !strings.Contains(err.Error(), ": "+tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAFileSystemThatHangsEndsTheStoreAndNotTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tgt := newTarget(Options{})
		back := make(chan struct{})
		var searches atomic.Int32
		tgt.env.getenv = func(string) string { // in place of a stat that does not return
			searches.Add(1)
			<-back
			return ""
		}
		for range 3 {
			err := tgt.Store(t.Context(), loginsFor("h"))
			if !fault.Has(err, fault.Local) || !errors.Is(err, filetrust.ErrHangs) || fault.All(err)[0].Hint == "" {
				t.Errorf("got %v", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := tgt.Store(ctx, loginsFor("h")); !errors.Is(err, context.Canceled) {
			t.Errorf("at the daemon's end: %v", err)
		}
		if n := searches.Load(); n != 1 {
			t.Errorf("%d goroutines hang", n)
		}
		close(back)
		synctest.Wait()
		select {
		case tgt.turn <- struct{}{}:
		default:
			t.Error("the turn is not given back")
		}
	})
}
