package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"ecr-refreshd/internal/filetrust"

	"github.com/docker/cli/cli/config"
)

// defaultContext is docker's name for the environment without any context.
const defaultContext = "default"

// contextPattern is what `docker context create` accepts.
const contextPattern = `^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`

var contextName = regexp.MustCompile(contextPattern)

func checkContextName(name string) error {
	if !contextName.MatchString(name) {
		return fmt.Errorf("docker context %q: a name has two or more of letters, digits and _.+-, and begins with a letter or a digit", name)
	}
	return nil
}

// errNoContext marks a context that docker does not know.
var errNoContext = errors.New("there is no such context")

// context reads the engine of the named docker context. The files are found by
// the hash of its name, so no name leads out of docker's directory.
func (e environment) context(name string) (endpoint, error) {
	if err := checkContextName(name); err != nil {
		return endpoint{}, err
	}
	dir, err := e.configDir()
	if err != nil {
		return endpoint{}, err
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	file := filepath.Join(dir, "contexts", "meta", id, "meta.json")
	setting := fmt.Sprintf("docker context %q", name)
	data, err := readFile(setting, file, fileLimit, e.root)
	if errors.Is(err, fs.ErrNotExist) {
		return endpoint{}, fmt.Errorf("docker context %q in %q: %w", name, dir, errNoContext)
	}
	if err != nil {
		return endpoint{}, err
	}
	meta, err := parseContext(data)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: read %q: %w", name, file, err)
	}
	host := meta.Host
	if host == "" {
		host = "unix://" + e.localSocket()
	}
	certs := filepath.Join(dir, "contexts", "tls", id, "docker")
	if e.root {
		// Where others could take the files away, they could take TLS away.
		if err := checkPlace(certs); err != nil {
			return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
		}
	}
	files := contextTLS(certs, meta.SkipTLSVerify)
	files.rootOnly, files.setting = e.root, setting
	where, err := newEndpoint(host, files)
	if err != nil {
		return endpoint{}, fmt.Errorf("docker context %q: %w", name, err)
	}
	return where, nil
}

// contextTLS are the files that a context has in dir, if any.
func contextTLS(dir string, skipVerify bool) tlsFiles {
	files := tlsFiles{
		ca:         ifThere(filepath.Join(dir, "ca.pem")),
		cert:       ifThere(filepath.Join(dir, "cert.pem")),
		key:        ifThere(filepath.Join(dir, "key.pem")),
		skipVerify: skipVerify,
	}
	files.on = skipVerify || files.ca != "" || files.cert != "" || files.key != ""
	return files
}

// dockerEndpoint is the part of a context that is about the engine.
type dockerEndpoint struct {
	Host          string
	SkipTLSVerify bool
}

// parseContext reads a meta.json.
func parseContext(data []byte) (dockerEndpoint, error) {
	var meta struct {
		Endpoints map[string]*dockerEndpoint
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return dockerEndpoint{}, err
	}
	if meta.Endpoints["docker"] == nil {
		return dockerEndpoint{}, errors.New("it has no docker endpoint")
	}
	return *meta.Endpoints["docker"], nil
}

// currentContext is the one that `docker context use` has chosen. As docker
// does, it takes a config.json that cannot be read for one that chooses none,
// and says so in passedOver. The error is a *filetrust.Error for one that root
// must not follow.
func (e environment) currentContext() (choice, error) {
	dir, err := e.configDir()
	if err != nil {
		return choice{passedOver: err}, nil
	}
	file := filepath.Join(dir, "config.json")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return choice{}, nil // it decides nothing, whoever could put one there
	}
	data, err := readFile("docker's current context", file, configLimit, e.root)
	if refused := (*filetrust.Error)(nil); errors.As(err, &refused) {
		return choice{}, refused
	}
	if err != nil {
		return choice{passedOver: err}, nil
	}
	name, err := parseCurrentContext(data)
	if name == "" && err != nil {
		return choice{passedOver: fmt.Errorf("read docker's current context from %q: %w", file, err)}, nil
	}
	return choice{name: name, why: fmt.Sprintf("currentContext in %q", file)}, nil
}

// parseCurrentContext leaves it to docker's own loader, which may know the name of a file
// although something else in it is wrong.
func parseCurrentContext(data []byte) (string, error) {
	file, err := config.LoadFromReader(bytes.NewReader(data))
	return file.CurrentContext, err
}
