package main

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// chunkSize is how much of a stream travels at once, in bytes, and inFlight how
	// many such pieces may be under way. Nothing here comes near the product.
	chunkSize = 16 << 10
	inFlight  = 64
)

// road is a TCP relay that makes its far end as far away as a round trip says.
// Each byte, and each end of a stream, arrives half a round trip after it was
// sent. The kernel connects to a relay on loopback at once, so the round trip
// that connecting takes is added before the client's first byte.
type road struct {
	listener  net.Listener
	to        string // host:port of the far end
	roundTrip time.Duration
	closing   context.Context
	stop      context.CancelFunc
	working   sync.WaitGroup
}

// openRoad listens on addr and leads to the address to, until close.
func openRoad(addr, to string, roundTrip time.Duration) (*road, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	r := &road{listener: l, to: to, roundTrip: roundTrip}
	r.closing, r.stop = context.WithCancel(context.Background())
	r.working.Go(r.accept)
	return r, nil
}

// close cuts what is under way.
func (r *road) close() {
	r.stop()
	_ = r.listener.Close()
	r.working.Wait()
}

func (r *road) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return // it is closed
		}
		connected := time.Now().Add(r.roundTrip)
		r.working.Go(func() { r.join(near, connected) })
	}
}

// join carries both streams of a connection that the client has at the time connected.
func (r *road) join(near net.Conn, connected time.Time) {
	defer near.Close()
	far, err := net.Dial("tcp", r.to)
	if err != nil {
		return // the client sees a connection that ends
	}
	defer far.Close()
	defer context.AfterFunc(r.closing, func() { _, _ = near.Close(), far.Close() })()
	var streams sync.WaitGroup
	streams.Go(func() { carry(far, near, connected, r.roundTrip/2) })
	streams.Go(func() { carry(near, far, connected, r.roundTrip/2) })
	streams.Wait()
}

// chunk is a piece of a stream; an empty one is its end.
type chunk struct {
	bytes []byte
	due   time.Time
}

// carry moves one stream; what comes before the time connected counts as sent then.
func carry(to, from net.Conn, connected time.Time, delay time.Duration) {
	travelling := make(chan chunk, inFlight)
	go func() {
		defer close(travelling)
		buffer := make([]byte, chunkSize)
		for {
			n, err := from.Read(buffer)
			sent := time.Now()
			if sent.Before(connected) {
				sent = connected
			}
			travelling <- chunk{slices.Clone(buffer[:n]), sent.Add(delay)}
			if err != nil {
				return
			}
		}
	}()
	for c := range travelling { // to the end, or the reader would stay
		time.Sleep(time.Until(c.due))
		if len(c.bytes) == 0 {
			continue
		}
		if _, err := to.Write(c.bytes); err != nil {
			_, _ = to.Close(), from.Close() // the other direction is of no use any more
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may have gone
	}
}
