// Package credhelper is Docker's credential helper protocol in front of the
// daemon's local API: what the program docker-credential-ecr-refreshd does, and
// where clients look for the daemon's socket. It holds no tokens, makes no
// network call and decides nothing: the daemon knows whose registries are whose.
//
// The program runs inside every pull, so its start-up time is the point: it takes
// its own few lines of HTTP, because net/http costs more to start than all the rest.
package credhelper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"ecr-refreshd/internal/registry"
)

// Name is how Docker finds the program: docker-credential- and the helper's
// name in config.json.
const Name = "docker-credential-ecr-refreshd"

// The texts of these are part of the protocol: clients compare them.
var (
	errNotFound = errors.New("credentials not found in native keychain")
	errNoServer = errors.New("no credentials server URL")
)

const usage = "usage: " + Name + ` get|list|store|erase|kubelet|version
A credential helper that Docker runs; it asks the ecr-refreshd daemon of this host.
  get      reads a registry's host name on standard input, prints its login as JSON
  list     prints the registries that this user has a login for
  store    does nothing for the registries of ecr-refreshd, and refuses others
  erase    does nothing
  kubelet  answers as a credential provider plugin of the kubelet
  version  prints the version`

// Bounds of standard input, in bytes.
const (
	serverLimit = 8 << 10
	storeLimit  = 1 << 20
)

// Helper is one call of the program. It is for one goroutine.
type Helper struct {
	version string
	daemon  daemon
	onError string
	// Bounds of a whole exchange with the daemon. The longer one leaves room for
	// the time that the daemon is asked to wait for a token on its way.
	askTime, storeTime time.Duration
}

// OnError is the variable that, with the value notFound, makes every failure of get
// "not found", and one of list an empty list: for clients that lose the logins of all
// registries when a helper fails for one.
const (
	OnError  = "ECR_REFRESHD_ON_ERROR"
	notFound = "not-found"
)

// New makes a helper for the user with the effective user id uid that looks for
// the daemon on sockets, in that order. onError is the value of OnError.
func New(version string, sockets []string, uid int, onError string) *Helper {
	return &Helper{
		version:   version,
		onError:   onError,
		daemon:    daemon{sockets: sockets, uid: uid, patience: 2 * time.Second},
		askTime:   15 * time.Second,
		storeTime: 5 * time.Second,
	}
}

// Run does what args, without the program's name, say, and gives the exit code:
// 0 or 1. An error is one line. By docker's protocol it goes to out too; the kubelet reads
// it from errOut.
func (h *Helper) Run(args []string, in io.Reader, out, errOut io.Writer) int {
	text, err := h.do(args, in)
	code := 0
	if err != nil {
		if len(args) > 0 && args[0] == "kubelet" {
			out = errOut
		}
		text, code = []byte(err.Error()+"\n"), 1
	}
	if len(text) == 0 {
		return code
	}
	if _, err := out.Write(text); err != nil {
		return 1
	}
	return code
}

func (h *Helper) do(args []string, in io.Reader) ([]byte, error) {
	if len(args) != 1 {
		return nil, errors.New(usage)
	}
	switch args[0] {
	case "get":
		return h.get(in)
	case "list":
		return h.list()
	case "store":
		return nil, h.store(in)
	case "erase":
		// Whatever it is, it is not kept here. It is read all the same: a client
		// may take a closed pipe for a failure.
		_, _ = io.Copy(io.Discard, io.LimitReader(in, storeLimit))
		return nil, nil
	case "kubelet":
		return h.kubelet(in)
	case "version", "--version", "-v":
		return []byte(Name + " " + h.version + "\n"), nil
	case "help", "--help", "-h":
		return []byte(usage + "\n"), nil
	}
	return nil, errors.New(usage)
}

func (h *Helper) get(in io.Reader) ([]byte, error) {
	input, err := read(in, serverLimit)
	if err != nil {
		return nil, err
	}
	host, err := hostOf(string(input))
	if err != nil {
		return nil, err
	}
	a, err := h.ask(host)
	return a.body, h.failure(err)
}

// ask asks for the login of a host: an answer whose body is a JSON object, or an error, which is
// errNotFound for a host that is not the daemon's.
func (h *Helper) ask(host string) (answer, error) {
	a, err := h.daemon.ask(request{"GET", "/v1/credentials/" + host, true}, h.askTime)
	if err != nil {
		if _, foreign := registry.Parse(host); foreign != nil {
			return answer{}, errNotFound // no daemon is no reason to fail for other registries
		}
		return answer{}, err
	}
	if a.status == 404 {
		return answer{}, errNotFound
	}
	if _, err := a.object(); err != nil {
		return answer{}, err
	}
	return a, nil
}

func (h *Helper) list() ([]byte, error) {
	a, err := h.daemon.ask(request{"GET", "/v1/credentials", true}, h.askTime)
	var logins []byte
	if err == nil {
		logins, err = a.object()
	}
	if h.failure(err) == errNotFound {
		return []byte("{}\n"), nil
	}
	return logins, h.failure(err)
}

// failure is err as the caller's environment wants it.
func (h *Helper) failure(err error) error {
	switch {
	case err == nil || h.onError == "":
		return err
	case h.onError == notFound:
		return errNotFound
	}
	return fmt.Errorf("%w; also, %s=%.40q is not known: write %s", err, OnError, h.onError, notFound)
}

// store keeps nothing, because the daemon has the registry's login already. It
// fails for other registries: the client would believe their logins saved.
func (h *Helper) store(in io.Reader) error {
	input, err := read(in, storeLimit)
	if err != nil {
		return err
	}
	server, err := serverOf(input)
	if err != nil {
		return err
	}
	a := answer{status: 404}
	host, err := hostOf(server)
	if err == nil {
		a, err = h.daemon.ask(request{"HEAD", "/v1/credentials/" + host, false}, h.storeTime)
	}
	if err != nil && err != errNotFound {
		return err
	}
	switch a.status {
	case 200, 503:
		return nil
	case 403:
		return fmt.Errorf("ecr-refreshd: store %q: user id %d may not have the login of this registry; "+
			"an administrator can name the user in allow of the registry or of socket in the daemon's configuration", host, h.daemon.uid)
	case 404:
		return errors.New("ecr-refreshd: store: not a registry of the daemon's configuration, and no other login is kept; " +
			"in config.json, name ecr-refreshd in credHelpers for its registries instead of in credsStore for all, or add the registry to the configuration")
	}
	return a.refusal()
}

// serverOf reads what a client hands to store. Nothing of it is repeated in an
// error: it holds a secret.
func serverOf(input []byte) (string, error) {
	var login struct{ ServerURL string }
	if json.Unmarshal(input, &login) != nil {
		return "", errors.New(`ecr-refreshd: store: standard input is not JSON with "ServerURL", "Username" and "Secret"`)
	}
	return login.ServerURL, nil
}

// read takes all of standard input, at most limit bytes.
func read(in io.Reader, limit int64) ([]byte, error) {
	input, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, fmt.Errorf("ecr-refreshd: read standard input: %w", err)
	}
	if int64(len(input)) > limit {
		return nil, fmt.Errorf("ecr-refreshd: read standard input: longer than %d bytes", limit)
	}
	return input, nil
}
