package credhelper

import (
	"errors"
	"strings"
)

// hostLimit is more than the longest host name, in bytes, with a port.
const hostLimit = 255 + len(":65535")

// hostOf reduces a server, as clients name it, to the host name that the daemon
// knows it by: without scheme, path and surrounding space, in lower case. The
// result is safe in a request line. The error is errNotFound for a name that no
// registry can have, so that a client asks on elsewhere.
func hostOf(server string) (string, error) {
	server = strings.TrimSpace(server)
	if strings.ContainsFunc(server, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return "", errors.New("ecr-refreshd: the server's name has a space or a control character in it")
	}
	if scheme, rest, ok := strings.Cut(server, "://"); ok && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) {
		server = rest
	}
	host, _, _ := strings.Cut(server, "/")
	if host == "" {
		return "", errNoServer
	}
	// Dots alone would be steps in the path.
	if len(host) > hostLimit || strings.Trim(host, ".") == "" || strings.ContainsFunc(host, func(c rune) bool { return !inHost(c) }) {
		return "", errNotFound
	}
	return strings.ToLower(host), nil
}

// inHost reports whether c occurs in a host name or address, with or without a
// port. None of these characters needs escaping in the path of a URL.
func inHost(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-._:[]", c)
}
