package config

import (
	"net/url"
	"path/filepath"
	"strings"
)

// engineHost is the address of a Docker Engine.
var engineHost = kind{
	want: "unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST",
	fault: func(text string) (why, write string) {
		u, err := url.Parse(text)
		if err != nil {
			return "is not an address", ""
		}
		scheme, _, _ := strings.Cut(text, "://")
		switch _, password := u.User.Password(); {
		case password:
			return "holds a password", "it without the password: ssh takes keys"
		case strings.ContainsAny(text, "?#"):
			return "has a query or fragment", ""
		case scheme == "npipe":
			return "is a pipe of Windows", ""
		case scheme == "unix":
			if u.Host != "" || u.User != nil || !filepath.IsAbs(u.Path) || strings.HasSuffix(u.Path, "/") {
				return "has no absolute path of a socket", "unix:///var/run/docker.sock, with three slashes"
			}
		case scheme == "tcp":
			if u.Hostname() == "" || u.Port() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
				return "is not tcp:// with a host and a port only", "tcp://HOST:2376"
			}
		case scheme == "ssh":
			if u.Hostname() == "" {
				return "has no host", ""
			}
		default:
			return "is neither unix://, tcp:// nor ssh://", ""
		}
		return "", ""
	},
}

// contextName is the rule of docker context create.
var contextName = matching(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`, "is not the name of a docker context",
	"a name that docker context ls shows")

func decodeEngine(keys map[string]value) *Engine {
	var e Engine
	if v, ok := keys["host"]; ok {
		e.Host, _ = v.address().text(engineHost.orEmpty())
	}
	if v, ok := keys["context"]; ok {
		e.Context, _ = v.text(contextName.orEmpty())
		if e.Context != "" && e.Host != "" {
			v.report("%q and host exclude each other; write one of the two", e.Context)
		}
	}
	if v, ok := keys["tls"]; ok {
		decodeTLS(v, &e)
	}
	return &e
}

func decodeTLS(v value, e *Engine) {
	keys, ok := v.mapping(tlsKeys)
	if !ok {
		return
	}
	good := true
	for key, to := range map[string]*string{"ca": &e.CA, "cert": &e.Cert, "key": &e.Key} {
		if at, ok := keys[key]; ok {
			*to, ok = at.text(absolutePath.orEmpty())
			good = good && ok
		}
	}
	switch {
	case !good || e.CA+e.Cert+e.Key == "":
	case (e.Cert == "") != (e.Key == ""):
		v.report("has one of cert and key; write both, or neither")
	case !strings.HasPrefix(e.Host, "tcp://"):
		v.report("goes with host: tcp://HOST:PORT only; write such a host, or remove tls")
	}
}

// accountName is lenient, as directories have names with capitals, dots, @ and
// backslashes. A number would be a uid, which has no home of its own.
var accountName = kind{
	want: "the name of an account of this host, such as jenkins",
	fault: func(text string) (why, write string) {
		switch {
		case strings.Trim(text, "0123456789") == "":
			return "is a number", ""
		case len(text) > 256, strings.HasPrefix(text, "-"), strings.ContainsAny(text, " /:,~$"):
			return "is not the name of an account", ""
		}
		return "", ""
	},
}

func decodeDockerConfig(keys map[string]value) *DockerConfig {
	var c DockerConfig
	if v, ok := keys["path"]; ok {
		c.Path, _ = v.text(absolutePath.orEmpty())
		if c.Path != "" {
			c.Path = filepath.Clean(c.Path)
		}
	}
	if v, ok := keys["user"]; ok {
		c.User, _ = v.text(accountName.orEmpty())
		if c.User != "" && c.Path != "" {
			v.report("%q and path exclude each other; write one of the two", shorten(c.User))
		}
	}
	if v, ok := keys["delivery"]; ok {
		delivery, _ := v.text(oneOf("auths", "helper"))
		c.Helper = delivery == "helper"
	}
	return &c
}
