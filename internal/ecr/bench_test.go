package ecr

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func BenchmarkNewAndFetch(b *testing.B) {
	isolate(b)
	keys(b, "AKIA1", canary)
	f := newFake(b)
	clients := NewClients()
	b.ReportAllocs()
	for b.Loop() {
		mustFetch(b, newSource(b, f.id(), Options{Clients: clients}))
		f.mu.Lock()
		f.asked = nil
		f.mu.Unlock()
	}
}

// TestIdleSourcesAreSmall: a hundred Sources that wait for their next fetch
// must not hold more than a small part of the daemon's 20 MiB.
func TestIdleSourcesAreSmall(t *testing.T) {
	const sources, most = 100, 1 << 20
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	clients := NewClients()
	mustFetch(t, newSource(t, f.id(), Options{Clients: clients})) // what the SDK sets up once
	before := heap()
	held := make([]*Source, sources)
	for i := range held {
		id := f.id()
		if i%2 == 1 {
			id.RoleARNs = []string{fmt.Sprintf("arn:aws:iam::111122223333:role/r%d", i)}
		}
		held[i] = newSource(t, id, Options{Clients: clients})
		mustFetch(t, held[i])
	}
	f.mu.Lock()
	f.asked = nil
	f.mu.Unlock()
	after := heap()
	t.Logf("%d idle sources, half of them with a session of their own, hold %d KiB", sources, (int64(after)-int64(before))/1024)
	if after > before+most {
		t.Errorf("they hold %d bytes, want at most %d", after-before, most)
	}
	runtime.KeepAlive(held)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first puts pools aside, the second empties them
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestConnectionsDoNotStay: a connection ends by itself soon after a round.
func TestConnectionsDoNotStay(t *testing.T) {
	web, metadata := newTransports()
	for _, transport := range []*http.Transport{web, metadata} {
		if d := transport.IdleConnTimeout; d > 10*time.Second || d <= 0 {
			t.Errorf("an idle connection stays %v", d)
		}
	}
}

func TestSourcesShareConnections(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	var opened atomic.Int32
	clients := newClients(func(tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			opened.Add(1)
			return new(net.Dialer).DialContext(ctx, network, addr)
		}
	})
	for range 3 {
		mustFetch(t, newSource(t, f.id(), Options{Clients: clients}))
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("three fetches opened %d connections", n)
	}
}
