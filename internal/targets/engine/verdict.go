package engine

import (
	"regexp"
	"strings"

	"ecr-refreshd/internal/fault"
)

// verdict is what an answer of the engine means.
type verdict struct {
	reason      fault.Reason
	hint        string
	fleeting    bool // it says nothing about the token; asking again at once may help
	concernsAll bool // it is the same for every host of this engine
}

// status finds an HTTP status in the engine's words. The engine answers 500 for
// whatever its registry client reports, so only its text tells; a bare number
// could be part of a port or an address.
var status = regexp.MustCompile(`(?:\bstatus(?: code)?:?|\bhttp|: ) ?([45]\d\d)\b|` +
	`\b([45]\d\d) (?:unauthorized|forbidden|bad request|not found|too many requests|proxy authentication required|` +
	`internal server error|bad gateway|service unavailable|gateway time-?out)`)

// pluginDenies is how an engine says that its authorization plugin forbids a request.
const pluginDenies = "authorization denied by plugin"

// judge classifies the text with which the engine refused to log in to host.
// There is nothing but the text: its wording was taken from engines 20.10 to 29
// and from podman's compatible service.
func judge(answer, host string) verdict {
	text := strings.ToLower(answer)
	if host != "" {
		text = strings.ReplaceAll(text, strings.ToLower(host), "")
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("client version") && has("api version"):
		return verdict{reason: fault.Engine, concernsAll: true,
			hint: "engine and daemon have no API version in common: update the older of the two (`docker version` shows the engine's)"}
	case has(pluginDenies):
		return verdict{reason: fault.Engine, concernsAll: true,
			hint: "an authorization plugin of the engine forbids POST /auth: allow it there for this daemon"}
	}
	switch code := httpStatus(text); {
	case code == "429" || has("toomanyrequests"):
		return verdict{reason: fault.Throttled}
	case code == "407":
		return verdict{reason: fault.Network, hint: connectHint(host)}
	case code == "404", strings.HasPrefix(code, "5"):
		return verdict{reason: fault.Network, fleeting: true, hint: connectHint(host)}
	case has("x509:", "tls: ", "http response to https client"):
		return verdict{reason: fault.Network, hint: certificateHint(text, host)}
	case has("no such host", "server misbehaving", "name resolution", "dial tcp: lookup"):
		return verdict{reason: fault.Network, fleeting: has("timeout"), hint: nameHint(host)}
	case has("timeout", "timed out", "deadline exceeded", "request canceled", "connection reset", ": eof", "unexpected eof"):
		return verdict{reason: fault.Network, fleeting: true, hint: connectHint(host)}
	case has("connection refused", "no route to host", "network is unreachable", "proxyconnect"):
		return verdict{reason: fault.Network, hint: connectHint(host)}
	case code == "400", code == "401", code == "403",
		has("unauthorized", "forbidden", "no basic auth", "authorization token has expired", "invalid username", "incorrect username"),
		has("denied") && !has("permission denied"):
		return verdict{reason: fault.Rejected, hint: "check that " + host + " is in the region of this token, that the name leads to ECR or to a proxy " +
			"that passes the login on, and that the AWS session has not been revoked"}
	}
	return verdict{reason: fault.Invalid, hint: "the engine's log may say more: `journalctl -u docker`"}
}

func httpStatus(text string) string {
	found := status.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1] + found[2]
}

func connectHint(host string) string {
	return "on the engine's machine, `curl -i https://" + host + "/v2/` should answer 401; behind a proxy, docker.service " +
		"needs HTTP_PROXY, HTTPS_PROXY and NO_PROXY: `systemctl edit docker`, add Environment=HTTPS_PROXY=..., then `systemctl restart docker`"
}

func nameHint(host string) string {
	name, _, _ := strings.Cut(host, ":")
	return "the engine's machine cannot resolve the name: try `getent hosts " + name + "` there and fix its DNS; " +
		"behind a proxy, set HTTPS_PROXY for docker.service with `systemctl edit docker`"
}

func certificateHint(text, host string) string {
	if strings.Contains(text, "expired") || strings.Contains(text, "not yet valid") {
		return "check the clock of the engine's machine (`timedatectl`), then the certificate of " + host
	}
	return "if a proxy or an endpoint of your own signs its certificate itself, put the CA's into /etc/docker/certs.d/" + host +
		"/ca.crt on the engine's machine; no restart is needed"
}
