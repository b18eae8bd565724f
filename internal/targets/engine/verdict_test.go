package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ecr-refreshd/internal/fault"
)

func TestJudge(t *testing.T) {
	// The account and the port hold numbers that look like statuses.
	const host = "401403404500.dkr.ecr.eu-west-1.amazonaws.com"
	at := func(text string) string { return strings.ReplaceAll(text, "HOST", host) }
	tests := []struct {
		name, text string
		want       fault.Reason
		fleeting   bool
		all        bool
		hint       string // a part of it
	}{
		{"20.10, wrong password", "login attempt to https://HOST/v2/ failed with status: 401 Unauthorized", fault.Rejected, false, false, "region"},
		{"20.10, forbidden", "login attempt to https://HOST/v2/ failed with status: 403 Forbidden", fault.Rejected, false, false, "region"},
		{"20.10, another region", "login attempt to https://HOST/v2/ failed with status: 400 Bad Request", fault.Rejected, false, false, "region"},
		{"stale entry", "denied: Your authorization token has expired. Reauthenticate and try again.", fault.Rejected, false, false, "region"},
		{"no basic auth", "Head https://HOST/v2/: no basic auth credentials", fault.Rejected, false, false, "region"},
		{"unauthorized", `Get "https://HOST/v2/": unauthorized: incorrect username or password`, fault.Rejected, false, false, "region"},
		{"containerd's words", "unexpected status from GET request to https://HOST/v2/: 403 Forbidden", fault.Rejected, false, false, "region"},
		{"podman", "login attempt to HOST failed with status: invalid username/password", fault.Rejected, false, false, "region"},
		{"HTTP body", "error parsing HTTP 403 response body: invalid character '<'", fault.Rejected, false, false, "region"},
		{"too many", "login attempt to https://HOST/v2/ failed with status: 429 Too Many Requests", fault.Throttled, false, false, ""},
		{"short 404", "login attempt to https://HOST/v2/ failed with status: 404 Not Found", fault.Network, true, false, "curl"},
		{"503", "received unexpected HTTP status: 503 Service Unavailable", fault.Network, true, false, "curl"},
		{"502 with words of a refusal", "status: 502 Bad Gateway: unauthorized", fault.Network, true, false, "curl"},
		{"proxy wants a login", `Get "https://HOST/v2/": Proxy Authentication Required`, fault.Invalid, false, false, ""},
		{"proxy wants a login, with status", `Get "https://HOST/v2/": 407 Proxy Authentication Required`, fault.Network, false, false, "HTTPS_PROXY"},
		{"client time-out", `Get "https://HOST/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`, fault.Network, true, false, "curl"},
		{"handshake time-out", `Get "https://HOST/v2/": net/http: TLS handshake timeout`, fault.Network, true, false, "curl"},
		{"i/o time-out", `Get "https://HOST/v2/": dial tcp 10.0.0.1:443: i/o timeout`, fault.Network, true, false, "HTTPS_PROXY"},
		{"connection ends", `Get "https://HOST/v2/": EOF`, fault.Network, true, false, "curl"},
		{"name", `Get "https://HOST/v2/": dial tcp: lookup HOST on 10.0.0.2:53: no such host`, fault.Network, false, false, "getent hosts " + host},
		{"name server down", `Get "https://HOST/v2/": dial tcp: lookup HOST on 10.0.0.2:53: read udp 10.0.0.9:40100->10.0.0.2:53: i/o timeout`, fault.Network, true, false, "getent"},
		{"refused", `Get "https://HOST/v2/": dial tcp 10.0.0.1:443: connect: connection refused`, fault.Network, false, false, "HTTPS_PROXY"},
		{"proxy refuses", `Get "https://HOST/v2/": proxyconnect tcp: dial tcp 10.0.0.3:3128: connect: connection refused`, fault.Network, false, false, "HTTPS_PROXY"},
		{"unreachable", `Get "https://HOST/v2/": dial tcp 10.0.0.1:443: connect: network is unreachable`, fault.Network, false, false, "HTTPS_PROXY"},
		{"unknown authority", `Get "https://HOST/v2/": x509: certificate signed by unknown authority`, fault.Network, false, false, "/etc/docker/certs.d/" + host + "/ca.crt"},
		{"unknown authority, newer", `Get "https://HOST/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, fault.Network, false, false, "ca.crt"},
		{"clock", `Get "https://HOST/v2/": x509: certificate has expired or is not yet valid: current time 2001-01-01T00:00:00Z is before 2024-01-01T00:00:00Z`, fault.Network, false, false, "timedatectl"},
		{"no TLS there", `Get "https://HOST/v2/": http: server gave HTTP response to HTTPS client`, fault.Network, false, false, "ca.crt"},
		{"daemon too old", "client version 1.51 is too old. Minimum supported API version is 1.60, please upgrade your client to a newer version", fault.Engine, false, true, "API version"},
		{"daemon too new", "client version 1.24 is too new. Maximum supported API version is 1.20", fault.Engine, false, true, "API version"},
		{"plugin", "authorization denied by plugin opa: request rejected", fault.Engine, false, true, "plugin"},
		{"the engine's own files", "open /etc/docker/certs.d/x/ca.crt: permission denied", fault.Invalid, false, false, "journalctl"},
		{"a port like a status", `Get "https://10.0.0.1:401/v2/": something odd`, fault.Invalid, false, false, "journalctl"},
		{"nothing", "", fault.Invalid, false, false, "journalctl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(at(tt.text), host)
			if got.reason != tt.want || got.fleeting != tt.fleeting || got.concernsAll != tt.all || !strings.Contains(got.hint, tt.hint) {
				t.Errorf("got %+v, want %s, fleeting %v, all %v, hint %q", got, tt.want, tt.fleeting, tt.all, tt.hint)
			}
			if tt.hint != "" && got.hint == "" {
				t.Error("there is no hint")
			}
		})
	}
}

func TestJudgeDoesNotReadTheHostName(t *testing.T) {
	const host = "denied.example.cn"
	if got := judge("something odd happened at "+host, host); got.reason != fault.Invalid {
		t.Errorf("got %+v", got)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("login attempt to https://h/v2/ failed with status: 401 Unauthorized", "h")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, host string) {
		v := judge(text, host)
		if !slices.Contains(fault.Reasons(), v.reason) {
			t.Errorf("%q is of reason %q", text, v.reason)
		}
		if v.reason == fault.Rejected && v.fleeting {
			t.Error("a refusal is not fleeting")
		}
	})
}

func TestUnreachableHint(t *testing.T) {
	local, tcp, ssh := address{"unix", "/run/d.sock"}, address{"tcp", "10.0.0.1:2376"}, address{"ssh", "ops@b/"}
	dial := func(err error) error {
		return fmt.Errorf("x: %w", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", err)})
	}
	tests := []struct {
		name  string
		err   error
		where address
		want  string
	}{
		{"no socket", dial(syscall.ENOENT), local, "systemctl status docker"},
		{"not allowed", dial(syscall.EACCES), local, "usermod -aG docker USER"},
		{"stopped", dial(syscall.ECONNREFUSED), local, "systemctl start docker"},
		{"refused", dial(syscall.ECONNREFUSED), tcp, "dockerd -H tcp://10.0.0.1:2376"},
		{"no answer", context.DeadlineExceeded, local, "docker version"},
		{"time-out", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, tcp, "docker version"},
		{"ends at once", io.EOF, local, "journalctl -u docker"},
		{"tls", &tls.CertificateVerificationError{Err: errors.New("x")}, tcp, "openssl s_client -connect 10.0.0.1:2376"},
		{"plain to TLS", errors.New("Client sent an HTTP request to an HTTPS server."), tcp, "TLS 1.2"},
		{"ssh", errors.New("exit status 255"), ssh, "ssh ssh://ops@b docker version"},
		{"no ssh", &exec.Error{Name: "ssh", Err: exec.ErrNotFound}, ssh, "openssh-client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := unreachableHint(tt.err, tt.where); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}
