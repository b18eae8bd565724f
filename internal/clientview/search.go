package clientview

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/shell"
)

// helperPrefix is what the name of every credential helper's program starts with.
const helperPrefix = "docker-credential-"

// dockerPath is where docker looks for its file.
func (e Eye) dockerPath(client Client) (path, variable string) {
	if client == DockerSnap {
		return filepath.Join(e.home(), "snap/docker/current/.docker/config.json"), ""
	}
	if dir := e.getenv("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json"), "DOCKER_CONFIG"
	}
	return filepath.Join(e.home(), ".docker", "config.json"), ""
}

// docker answers for docker's command line.
func (e Eye) docker(a *Answer) {
	path, variable := e.dockerPath(a.Client)
	f := e.read(a.Host, variable, path)
	a.File = f.path
	docker := ReadDocker(f.path, f.content)
	a.Login = docker.Login(a.Host)
	if f.fault != nil {
		a.Fault = f.fault // docker warns and goes on as if there were no file
	}
	if !docker.HasAuth() {
		if helper := e.defaultStore(); helper != "" {
			a.Login = Login{Place: Place{Key: "docker's default credential store"}, Helper: helper, Fault: a.Fault}
			if a.NoLogin() {
				a.Fault = nil
			}
		}
	}
	e.overrule(a)
	e.ask(a)
}

// defaultStore is the helper that docker uses when its file says nothing about
// logins, as its DetectDefaultStore looks for one; empty where there is none.
func (e Eye) defaultStore() string {
	helper := "secretservice"
	if e.program("pass").State == Found {
		helper = "pass"
	}
	if e.program(helperPrefix+helper).State != Found {
		return ""
	}
	return helper
}

// ask looks for the program of the helper that the answer names.
func (e Eye) ask(a *Answer) {
	if a.Helper == "" {
		return
	}
	a.Program = e.program(cmp.Or(a.program, helperPrefix+a.Helper))
	if a.Client == DockerSnap {
		a.Program.State = NotExecutable
		a.Fault = wrong(a.Host, fmt.Sprintf("let a target write the logins into %s: `delivery: auths`", a.File), nil,
			"run %q, which %s names: docker from the snap cannot run programs outside of it", printable(a.Program.Name), a.at())
		return
	}
	if a.Program.State == Found {
		return
	}
	hint := fmt.Sprintf("install %s in a directory of PATH, or delete %s from %s", printable(a.Program.Name), a.at(), a.Place.File)
	if a.Program.State == NotExecutable {
		hint = fmt.Sprintf("let %s execute it: chmod a+x %s", e.who(), shell.Quote(a.Program.Path))
	}
	a.Fault = wrong(a.Host, hint, nil, "run the credential helper %q as %s, which %s in %q names: it is %s",
		printable(a.Program.Name), e.who(), a.at(), a.Place.File, a.Program.State)
}

// authVariable holds logins that docker from 28.3 on takes before all others.
const authVariable = configfile.DockerEnvConfigKey

// overrule puts what DOCKER_AUTH_CONFIG holds in front of the answer.
func (e Eye) overrule(a *Answer) {
	text := e.getenv(authVariable)
	if text == "" {
		return
	}
	logins, err := readVariable(text)
	if err != nil {
		a.note("docker passes over %s: %s", authVariable, err)
		return
	}
	key := dockerKey(a.Host)
	found, ok := logins[key]
	if !ok {
		return
	}
	was := a.Login
	a.Login = Login{
		Place:    Place{Key: authVariable + ": " + keyText([]string{"auths", key})},
		Username: found.Username, Secret: login.NewSecret(found.Password), Notes: was.Notes,
	}
	a.hides(was.Place)
	a.hides(was.Hidden...)
	a.note("docker before 28.3 does not know %s", authVariable)
	if found.Password == "" {
		a.Fault = wrong(a.Host, "unset "+authVariable, nil, "%s has no password", a.Key)
	}
}

// readVariable takes DOCKER_AUTH_CONFIG apart. The error says why docker passes it over.
func readVariable(text string) (map[string]types.AuthConfig, error) {
	var variable struct {
		Auths map[string]struct {
			Auth string `json:"auth"`
		} `json:"auths"`
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(&variable)
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case errors.As(err, &wrongType):
		key, _ := placeAt([]byte(text), wrongType.Offset)
		return nil, fmt.Errorf("%s has to be %s", key, expected(wrongType.Type))
	case errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("it is not JSON")
	case err != nil:
		return nil, errors.New("it has a key that docker does not know there: only auths with an auth for each host may stand in it")
	case dec.More():
		return nil, errors.New("something follows the JSON object")
	}
	logins := make(map[string]types.AuthConfig, len(variable.Auths))
	for host, e := range variable.Auths {
		found, err := alone(types.AuthConfig{Auth: e.Auth})
		if err != nil || e.Auth == "" {
			return nil, fmt.Errorf("%s has no usable auth", keyText([]string{"auths", host}))
		}
		logins[host] = found
	}
	return logins, nil
}
