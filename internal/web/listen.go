package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/fault"
)

// namesTime bounds the search for the full name of this host, for which a name server may be
// asked.
const namesTime = 2 * time.Second

// Listener listens at an address of http.listen.
type Listener struct {
	net.Listener
	names []string // in lower case, under which the server may be asked for
}

// Listen binds address, HOST:PORT. The error is a *fault.Error of reason local.
func Listen(ctx context.Context, address string) (*Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		cause := err
		var op *net.OpError
		if errors.As(err, &op) {
			cause = op.Err
		}
		return nil, &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("listen at http.listen, %s", address), Err: cause, Hint: hint(err, address)}
	}
	host, _, _ := net.SplitHostPort(address)
	return &Listener{l, namesOf(ctx, host)}, nil
}

// InUse reports whether the error of Listen is that something listens there already.
func InUse(err error) bool { return errors.Is(err, unix.EADDRINUSE) }

func hint(err error, address string) string {
	_, port, _ := net.SplitHostPort(address)
	var dns *net.DNSError
	switch {
	case InUse(err):
		return fmt.Sprintf("look with `ss -ltnp 'sport = :%s'` for what listens there, or write another port", port)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return "`ip address` shows the addresses of this host; for all of them write 0.0.0.0:" + port
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "write a port from 1024, such as 9462: those below are for root"
	case errors.As(err, &dns):
		return "write the address instead of the name"
	}
	return ""
}

// namesOf lists what this host is called: as configured, and its own names.
func namesOf(ctx context.Context, configured string) []string {
	names := []string{"localhost", strings.ToLower(configured)}
	host, err := os.Hostname()
	if err != nil || host == "" {
		return names
	}
	short, _, _ := strings.Cut(host, ".")
	names = append(names, strings.ToLower(host), strings.ToLower(short))
	ctx, cancel := context.WithTimeout(ctx, namesTime)
	defer cancel()
	if full, err := net.DefaultResolver.LookupCNAME(ctx, host); err == nil && strings.HasPrefix(strings.ToLower(full), strings.ToLower(short)+".") {
		names = append(names, strings.ToLower(strings.TrimSuffix(full, ".")))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ours reports whether a Host header means this host. A browser that was led here by somebody
// else's name sends that; an address cannot be anybody else's, and no header is no browser's.
func ours(header string, names []string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil || header == "" {
		return true
	}
	return slices.Contains(names, strings.ToLower(strings.TrimSuffix(host, ".")))
}
