package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

// ecrPassword is about the length of an ECR password, in bytes.
const ecrPassword = 2400

// BenchmarkCredential measures look-ups over connections that stay open, with a
// password of the length that ECR's have. The client is as plain as can be, since
// it shares the processor with the server.
func BenchmarkCredential(b *testing.B) {
	for _, conns := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			bed := newBed(b)
			bed.secret = login.NewSecret(strings.Repeat("eyJw", ecrPassword/4))
			took := make([][]time.Duration, conns)
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range conns {
				c := connect(b, bed.socket)
				n := b.N / conns
				if i < b.N%conns {
					n++
				}
				took[i] = make([]time.Duration, 0, n)
				wg.Go(func() {
					<-start
					from := bufio.NewReader(c)
					for range n {
						began := time.Now()
						if err := lookUp(c, from); err != nil {
							b.Error(err)
							return
						}
						took[i] = append(took[i], time.Since(began))
					}
				})
			}
			b.ResetTimer()
			close(start)
			wg.Wait()
			b.StopTimer()
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "lookups/s")
			if len(all) > 0 {
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
			}
		})
	}
}

const lookUpRequest = "GET /v1/credentials/" + goodHost + "?wait=10s HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n"

// lookUp sends the helper's request and reads the whole answer.
func lookUp(c net.Conn, from *bufio.Reader) error {
	if _, err := io.WriteString(c, lookUpRequest); err != nil {
		return err
	}
	length := -1
	for line := " "; line != "\r\n"; {
		var err error
		if line, err = from.ReadString('\n'); err != nil {
			return err
		}
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return err
			}
		}
	}
	if length < ecrPassword {
		return fmt.Errorf("an answer of %d bytes", length)
	}
	_, err := from.Discard(length)
	return err
}
