package config

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"ecr-refreshd/internal/registry"
)

// hostKind is the host name of an ECR registry, as it is pasted into host.
var hostKind = Text{
	Want: "the host name of an ECR registry, such as 111122223333.dkr.ecr.us-east-1.amazonaws.com",
	Fault: func(text string) (why, write string) {
		if _, err := registry.Parse(text); err == nil {
			return "", ""
		}
		// People paste what they have: an address, an image.
		name := strings.ToLower(text)
		name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
		name, _, _ = strings.Cut(name, "/")
		name, port, _ := strings.Cut(name, ":")
		name = strings.TrimSuffix(name, ".")
		if _, err := registry.Parse(name); err != nil {
			if e := (*registry.NameError)(nil); errors.As(err, &e) && e.Why != "" {
				return "is not the host name of an ECR registry: " + e.Why, e.Want
			}
			return "is not the host name of an ECR registry", "one, or for a further name region and account, and hosts: with that name"
		}
		if port != "" {
			return "is more than a host name", name + "; a name with a port goes into hosts, beside account and region"
		}
		return "is more than a host name, or not in lower case", name
	},
}

// dnsName is a name as docker accepts it in the name of an image: without a
// dot or port, docker would take it for a repository of Docker Hub.
var dnsName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// furtherKind is one more name for a registry: a CNAME, a proxy, host:port.
var furtherKind = Text{
	Want: "a host name with or without a port, such as images.example.com or proxy.example.com:5000",
	Fault: func(text string) (why, write string) {
		name, port, hasPort := strings.Cut(text, ":")
		lower := strings.ToLower(text)
		switch {
		case strings.Contains(text, "/"):
			return "is more than a host name", "it without scheme and path"
		case lower != text && dnsName.MatchString(strings.ToLower(name)):
			return "is not in lower case", lower
		case len(name) > 253 || !dnsName.MatchString(name):
			return "is not a host name", ""
		case hasPort && !validPort(port):
			return "has no valid port", "a port from 1 to 65535 after the colon"
		case !hasPort && name != "localhost" && !strings.Contains(name, "."):
			return "has neither dot nor port, so that docker takes it for a part of Docker Hub", "the full name"
		}
		return "", ""
	},
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// further reads hosts: the other names of the one registry of an entry.
func (p *planner) further(x entry, account, region string, public bool) []planned {
	if !x.hosts.written() {
		return nil
	}
	var hosts []planned
	items, _ := x.hosts.texts(furtherKind, "[images.example.com]")
	for _, i := range items {
		h := x.host(i.text, account, region, i.at)
		if r, err := registry.Parse(i.text); err == nil {
			if r.Public != public || !public && r.Region != region {
				i.at.report("%q is another registry, which another token opens; write an entry of its own: - host: %s", i.text, i.text)
				continue
			}
			h.Account = r.Account
		}
		hosts = append(hosts, h)
	}
	p.room(len(hosts), x.hosts)
	return hosts
}
