package engine

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"ecr-refreshd/internal/config"
)

// Options says which engine, and how long to wait for it. The zero value means
// what the docker command means without options: $DOCKER_HOST (with TLS when
// $DOCKER_TLS_VERIFY is set, from the files in $DOCKER_CERT_PATH), else the
// context $DOCKER_CONTEXT, else the currentContext of docker's config.json, else
// /var/run/docker.sock; and where that does not exist and the daemon is not
// root, $XDG_RUNTIME_DIR/docker.sock, where a rootless engine listens.
type Options struct {
	Host    string // unix:///path, tcp://name[:port] or ssh://[user@]name[:port]; excludes Context
	Context string // the name of a docker context; "default" means the environment without contexts
	// CA, Cert and Key are PEM files for a tcp host: any of them switches TLS on.
	// Without CA the system's authorities count. Cert and Key come together.
	// They exclude Context, which brings its own.
	CA, Cert, Key string
	Timeout       time.Duration // for the engine's first answer, and for each login; zero means 30 s
}

// Read reads the options of an engine.
func Read(b *config.Block) config.Options {
	var o Options
	o.Read(b)
	return o
}

// Read reads the keys that say which engine, and more, as Block.Read does.
func (o *Options) Read(b *config.Block, more ...config.Field) {
	file := config.AbsolutePath.OrEmpty()
	b.Read(append([]config.Field{
		config.String("host", "Address of the engine. Default: $DOCKER_HOST, then the local socket.", &o.Host, hostText.OrEmpty()),
		config.String("context", "Name of a docker context, instead of host.", &o.Context, contextText.OrEmpty()),
		config.Group("tls", "For a tcp:// host: paths of the files.", []config.Field{
			config.String("ca", "Certificates of the authority.", &o.CA, file),
			config.String("cert", "Client certificate.", &o.Cert, file),
			config.String("key", "Its key.", &o.Key, file),
		}, o.checkTLS),
	}, more...)...)
	if o.Context != "" && o.Host != "" {
		b.Report("context", "%q and host exclude each other; write one of the two", o.Context)
	}
}

func (o *Options) checkTLS(b *config.Block) {
	switch {
	case !b.Good() || !o.tls().on:
	case (o.Cert == "") != (o.Key == ""):
		b.Report("", "has one of cert and key; write both, or neither")
	case !strings.HasPrefix(o.Host, "tcp://"):
		b.Report("", "goes with host: tcp://HOST:PORT only; write such a host, or remove tls")
	}
}

// Place is the engine's address, as far as the file says it.
func (o Options) Place() string {
	if o.Context != "" {
		return "docker context " + o.Context
	}
	return cmp.Or(o.Host, "docker engine")
}

// New makes the target.
func (o Options) New() (config.Destination, error) { return New(o), nil }

var hostText = config.Text{
	Want:    "unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST",
	Pattern: `^(unix:///[^?#]*[^/?#]|tcp://[^/?#@]+:[0-9]+/*|ssh://[^/?#]+(/[^?#]*)?)$`,
	Address: true,
	Fault: func(text string) (why, write string) {
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
			if len(u.Path) > maxSocketPath {
				return "is too long", fmt.Sprintf("one of a path with at most %d bytes", maxSocketPath)
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
		if _, err := parseHost(text, false); err != nil {
			return "is not the address of an engine", ""
		}
		return "", ""
	},
}

var contextText = config.Matching(contextPattern, "is not the name of a docker context", "a name that docker context ls shows")
