package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os/exec"
	"strings"
	"syscall"

	"ecr-refreshd/internal/filetrust"
)

// unreachableHint says what to do about an engine that could not be reached at
// where because of err.
func unreachableHint(err error, where address) string {
	var noAnswer net.Error
	switch {
	case where.scheme == "ssh":
		return sshHint(err, where)
	case isTLS(err):
		return "check the ca, cert and key of this engine, and that it speaks TLS 1.2 or later with `openssl s_client -connect " + where.target + "`"
	case errors.Is(err, fs.ErrNotExist):
		return "is docker running here? `systemctl status docker`; if its socket is elsewhere, set the target's host or DOCKER_HOST"
	case errors.Is(err, fs.ErrPermission):
		return "add the user that runs this to the group docker, `usermod -aG docker USER`, and start it again"
	case errors.Is(err, syscall.ECONNREFUSED) && !where.isTCP():
		return "docker has stopped: `systemctl status docker`, `systemctl start docker`"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &noAnswer) && noAnswer.Timeout():
		return "the engine does not answer: `docker version` shows whether it does for you, `journalctl -u docker` why not"
	case where.isTCP():
		return "check that the engine listens there (dockerd -H " + where.String() + ") and that no firewall or proxy is in the way"
	}
	return "is docker well? `systemctl status docker`, `journalctl -u docker`"
}

func sshHint(err error, where address) string {
	if errors.Is(err, exec.ErrNotFound) {
		return "install the ssh client (package openssh-client)"
	}
	to := strings.TrimRight(where.target, "/")
	return "as the user that runs this, `ssh ssh://" + to + " docker version` must work without a question: check its key, known_hosts " +
		"and that docker is installed there"
}

// isTLS also knows two sides of which only one speaks TLS.
func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		alert  tls.AlertError
		record tls.RecordHeaderError
		remote *net.OpError
		system x509.SystemRootsError
	)
	if errors.As(err, &verify) || errors.As(err, &alert) || errors.As(err, &record) || errors.As(err, &system) ||
		errors.As(err, &remote) && remote.Op == "remote error" {
		return true
	}
	// crypto/tls has no type for a failed version or for no common cipher, and the
	// engine's HTTP server answers a plain request in words.
	text := err.Error()
	return strings.Contains(text, "tls: ") || strings.Contains(text, "HTTP request to an HTTPS server") ||
		strings.Contains(text, "malformed HTTP response") || strings.Contains(text, "HTTP response to HTTPS client")
}

// proxyHint is about the programs that stand between clients and an engine's socket.
func (s *session) proxyHint() string {
	return "a socket proxy or a web server is in front of the engine: let it pass GET and HEAD /_ping and " + s.uses +
		", or name the engine's own socket with the target's host"
}

const hangHint = "check what the engine's socket, its TLS files and docker's contexts are on (`findmnt -T FILE`): a network server may be away"

// resolveHint says what to do about an engine that could not even be named.
func resolveHint(err error) string {
	var refused *filetrust.Error
	switch {
	case errors.As(err, &refused):
		return trustHint(refused)
	case errors.Is(err, filetrust.ErrHangs):
		return hangHint
	case errors.Is(err, errNoContext):
		return "`docker context ls` lists the contexts of the user that runs this; another user's are found by DOCKER_CONFIG"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that runs this read the file"
	}
	return "check the target's host or context, DOCKER_HOST, DOCKER_CONTEXT and `docker context ls`"
}

func trustHint(refused *filetrust.Error) string {
	return "as root, name the engine with the target's `host:`, or give `context:` and DOCKER_CONFIG a directory of root's own; if the file is meant for root: " + refused.Fix
}
