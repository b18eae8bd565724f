package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoadTakesItsTimeAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 50 * time.Millisecond
		client, near := net.Pipe()
		far, server := net.Pipe()
		began := time.Now()
		connected := began.Add(2 * delay)
		done := make(chan struct{})
		go func() { carry(far, near, connected, delay); close(done) }()
		go func() {
			_, _ = client.Write([]byte("first"))
			time.Sleep(time.Second)
			_, _ = client.Write([]byte("second"))
			_ = client.Close()
		}()
		for _, want := range []struct {
			text string
			at   time.Duration
		}{{"first", 3 * delay}, {"second", time.Second + delay}} {
			got := make([]byte, len(want.text))
			if _, err := io.ReadFull(server, got); err != nil {
				t.Fatal(err)
			}
			if string(got) != want.text || time.Since(began) != want.at {
				t.Errorf("got %q after %s, want %q after %s", got, time.Since(began), want.text, want.at)
			}
		}
		<-done
		_, _, _ = near.Close(), far.Close(), server.Close()
	})
}

func TestFrontServesTheNameOverTheRoad(t *testing.T) {
	const name = "api.ecr.us-east-1.amazonaws.com"
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Host, r.Header.Get("X-Amz-Target"), body)
	}))
	defer behind.Close()
	f, err := openFront(name, behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	r, err := openRoad("127.0.0.1:0", f.addr, 2*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(f.pem)
	conn, err := tls.Dial("tcp", r.listener.Addr().String(), &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = "{}"
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nX-Amz-Target: T\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", name, len(body), body)
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if want := name + " T " + body; !strings.HasSuffix(string(answer), want) {
		t.Errorf("got %q, want it to end in %q", answer, want)
	}
}

func TestRoadEndsWithConnectionsOpen(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := openRoad("127.0.0.1:0", l.Addr().String(), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r.close()
	if n, err := client.Read(make([]byte, 1)); err == nil {
		t.Errorf("got %d bytes, want the end", n)
	}
}
