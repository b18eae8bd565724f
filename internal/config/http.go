package config

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// HTTP is the server for metrics, health and the page.
type HTTP struct {
	Listen string // HOST:PORT as net.Listen takes it, never without a host; empty: there is no such server
}

// loopback is the host where the file writes only a port.
const loopback = "127.0.0.1"

func (h *HTTP) field() Field {
	return Group("http", "Metrics, health and the status page over TCP. They show no secrets, change nothing, and ask for no password.", []Field{
		String("listen", "HOST:PORT, such as 127.0.0.1:9462; without a host it is 127.0.0.1. Default: none.", &h.Listen, listenAddress.OrEmpty()),
	}, func(*Block) {
		if strings.HasPrefix(h.Listen, ":") {
			h.Listen = loopback + h.Listen
		}
	})
}

// listenAddress is where a TCP server listens.
var listenAddress = Text{
	Want:    "HOST:PORT, such as 127.0.0.1:9462; for every address of this host, 0.0.0.0:9462 or [::]:9462",
	Pattern: `^(\[[0-9a-fA-F:.]+(%[^\]]+)?\]|[^\s/:@*\[\]]*):[0-9]{1,5}$`,
	Fault: func(text string) (why, write string) {
		host, port, err := net.SplitHostPort(text)
		switch {
		case strings.Contains(text, "/"):
			return "is a URL, or has a path", ""
		case validPort(text):
			return "has no host", strconv.Quote(loopback + ":" + text)
		case err != nil && strings.Count(text, ":") > 1:
			return "is an IPv6 address without brackets, or without a port", ""
		case err != nil:
			return "has no port", ""
		case !validPort(port):
			return "has no port from 1 to 65535", ""
		case host == "*":
			return "has * for a host", strconv.Quote("0.0.0.0:" + port)
		case strings.HasPrefix(text, "["):
			if ip, err := netip.ParseAddr(host); err != nil || ip.Is4() {
				return "has something in brackets that is not an IPv6 address", ""
			}
		case host != "" && !dnsName.MatchString(strings.ToLower(host)):
			return "has a host that is neither a name nor an address", ""
		}
		return "", ""
	},
}
