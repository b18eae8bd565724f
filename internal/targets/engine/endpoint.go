package engine

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"ecr-refreshd/internal/fault"

	"github.com/docker/cli/cli/connhelper"
)

const (
	defaultSocket = "/var/run/docker.sock"
	// maxSocketPath is what fits into sockaddr_un, less the closing zero byte.
	maxSocketPath = 107
	// plainPort and securedPort are IANA's for docker, and docker's own defaults.
	plainPort, securedPort = "2375", "2376"
)

// address is a docker host that parseHost has found good.
type address struct {
	scheme string // unix, tcp or ssh
	target string // the socket's path; host:port with any path; what follows ssh://
}

func (a address) String() string { return a.scheme + "://" + a.target }
func (a address) isTCP() bool    { return a.scheme == "tcp" }

// endpoint is one engine and how to reach it.
type endpoint struct {
	address
	tls tlsFiles // counts for tcp only
	why string   // what named it, for people
	// passedOver is why docker's config.json could not say which context is
	// current, if so; docker then goes on as if none were.
	passedOver error
}

// parseHost checks a docker host and completes it with docker's default port.
// Its errors never show a password that somebody may have put into it.
func parseHost(host string, secured bool) (address, error) {
	scheme, rest, found := strings.Cut(host, "://")
	bad := func(format string, args ...any) (address, error) {
		return address{}, fmt.Errorf("docker host %q: "+format, append([]any{printable(host)}, args...)...)
	}
	switch {
	case found && scheme == "unix":
		if !filepath.IsAbs(rest) {
			return bad("write an absolute path, as in unix:///var/run/docker.sock")
		}
		if len(rest) > maxSocketPath {
			return bad("the path of a socket has at most %d bytes", maxSocketPath)
		}
	case found && scheme == "tcp":
		u, err := url.Parse(host)
		switch {
		case err != nil:
			return bad("%w", withoutURL(err))
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			return bad("write only a name and a port, as in tcp://engine.example.com:2376")
		case u.Hostname() == "":
			return bad("the name is missing, as in tcp://engine.example.com:2376")
		case u.Port() == "" && secured:
			u.Host = net.JoinHostPort(u.Hostname(), securedPort)
		case u.Port() == "":
			u.Host = net.JoinHostPort(u.Hostname(), plainPort)
		}
		rest = u.Host + u.EscapedPath()
	case found && scheme == "ssh":
		if _, err := connhelper.GetConnectionHelper(host); err != nil {
			return bad("%w", withoutURL(err))
		}
	default:
		return bad("write unix:///path, tcp://name:port or ssh://user@name")
	}
	return address{scheme, rest}, nil
}

// withoutURL takes from an error of url.Parse the URL that it quotes.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// printable is host without the password that it should not have.
func printable(host string) string {
	scheme, rest, found := strings.Cut(host, "://")
	at := strings.LastIndex(rest, "@")
	if !found || at < 0 || !strings.Contains(rest[:at], ":") {
		return host
	}
	return scheme + "://[redacted]" + rest[at:]
}

// environment is what resolve asks besides the options.
type environment struct {
	getenv func(string) string
	home   func() (string, error)
	root   bool   // only what is root's alone may say where root's tokens go
	socket string // where docker listens by default
}

// resolve finds the engine in docker's own order: option, $DOCKER_HOST,
// $DOCKER_CONTEXT, currentContext, the local socket. Its errors are faults of
// reason Local.
func (e environment) resolve(o Options) (endpoint, error) {
	where, err := e.find(o)
	if err != nil {
		return endpoint{}, &fault.Error{Reason: fault.Local, Op: "find the docker engine", Err: err, Hint: resolveHint(err)}
	}
	return where, nil
}

func (e environment) find(o Options) (endpoint, error) {
	if o.Host != "" {
		where, err := newEndpoint(o.Host, o.tls())
		where.why = "the target's host"
		return where, err
	}
	chosen, err := e.chooseContext(o)
	if err != nil {
		return endpoint{}, err
	}
	if chosen.name != "" && chosen.name != defaultContext {
		where, err := e.context(chosen.name)
		where.why = fmt.Sprintf("docker context %q, %s", chosen.name, chosen.why)
		return where, err
	}
	if host := e.getenv("DOCKER_HOST"); host != "" {
		files, err := e.tls(o)
		if err != nil {
			return endpoint{}, err
		}
		where, err := newEndpoint(host, files)
		if err != nil {
			return endpoint{}, fmt.Errorf("environment variable DOCKER_HOST: %w", err)
		}
		where.why = "environment variable DOCKER_HOST"
		return where, nil
	}
	where, err := newEndpoint("unix://"+e.localSocket(), tlsFiles{})
	where.why, where.passedOver = "the local socket", chosen.passedOver
	return where, err
}

// choice is which docker context counts; without a name, none does.
type choice struct {
	name, why  string
	passedOver error // see endpoint
}

func (e environment) chooseContext(o Options) (choice, error) {
	switch {
	case o.Context != "":
		return choice{name: o.Context, why: "the target's context"}, nil
	case e.getenv("DOCKER_HOST") != "":
		return choice{}, nil
	case e.getenv("DOCKER_CONTEXT") != "":
		return choice{name: e.getenv("DOCKER_CONTEXT"), why: "environment variable DOCKER_CONTEXT"}, nil
	}
	return e.currentContext()
}

func newEndpoint(host string, files tlsFiles) (endpoint, error) {
	a, err := parseHost(host, files.on)
	return endpoint{address: a, tls: files}, err
}

// localSocket is docker's, and the rootless one's when only that exists.
func (e environment) localSocket() string {
	if _, err := os.Lstat(e.socket); err == nil || e.root {
		return e.socket
	}
	if run := e.getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(run) {
		rootless := filepath.Join(run, "docker.sock")
		if _, err := os.Lstat(rootless); err == nil {
			return rootless
		}
	}
	return e.socket
}

// tls are the TLS files of $DOCKER_HOST. The options' own come first.
func (e environment) tls(o Options) (tlsFiles, error) {
	if files := o.tls(); files.on || e.getenv("DOCKER_TLS_VERIFY") == "" {
		return files, nil
	}
	dir, setting := e.getenv("DOCKER_CERT_PATH"), "DOCKER_CERT_PATH"
	if dir == "" {
		setting = "DOCKER_TLS_VERIFY"
		var err error
		if dir, err = e.configDir(); err != nil {
			return tlsFiles{}, err
		}
	}
	return tlsFiles{
		on:      true,
		setting: setting,
		ca:      filepath.Join(dir, "ca.pem"),
		cert:    ifThere(filepath.Join(dir, "cert.pem")),
		key:     ifThere(filepath.Join(dir, "key.pem")),
	}, nil
}

// configDir is docker's: $DOCKER_CONFIG, else ~/.docker.
func (e environment) configDir() (string, error) {
	if dir := e.getenv("DOCKER_CONFIG"); dir != "" {
		return dir, nil
	}
	home, err := e.home()
	if err != nil {
		return "", fmt.Errorf("look for docker's configuration: %w", err)
	}
	return filepath.Join(home, ".docker"), nil
}

// homeDir is $HOME and, since systemd sets none for root's services, else what
// the user database says.
func homeDir() (string, error) {
	if home, err := os.UserHomeDir(); err == nil {
		return home, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.HomeDir, nil
}
