package ecr

import (
	"net/url"
	"os"
	"slices"
	"strings"
)

// UnusableProxies names the proxy variables of this process that hold no URL of a proxy.
// Go's programs pass some such values over without a word and call directly, and take a
// part of others for the proxy's name.
func UnusableProxies() (variables []string) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if value := os.Getenv(name); value != "" && !isProxy(value) {
			variables = append(variables, name)
		}
	}
	return variables
}

// isProxy also takes HOST:PORT, as net/http does.
func isProxy(value string) bool {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	return err == nil && u.Hostname() != "" && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}
