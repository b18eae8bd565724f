package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

func TestWireEndsADialThatComesLate(t *testing.T) {
	ours, theirs := net.Pipe()
	dialling := make(chan struct{})
	w := newWire(t.Context(), func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialling)
		<-ctx.Done() // a dial that succeeds in the very moment in which it is no longer wanted
		return ours, nil
	})
	dialled := make(chan error)
	go func() {
		_, err := w.dialContext(context.Background(), "tcp", "h:1")
		dialled <- err
	}()
	<-dialling
	w.close()
	if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the late connection is still open: %v", err)
	}
	if err := <-dialled; err != nil {
		t.Error(err)
	}
	if _, err := w.dialContext(context.Background(), "tcp", "h:1"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a dial after close: %v", err)
	}
}
