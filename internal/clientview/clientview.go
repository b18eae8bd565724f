// Package clientview is the client's eye: what would this client, run by this
// account, send to this host, and which line of which file decides. ReadDocker
// judges the content of one docker configuration; an Eye searches the files,
// variables and programs that a client looks at. It changes nothing, runs no
// helper and makes no network call. What to do about an answer is the caller's.
package clientview

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// Client is a program, or a family of programs that look for logins in the same way.
type Client string

// The clients. Clients returns them.
const (
	Docker     Client = "docker"      // with compose, buildx and all that is built on docker's command line
	DockerSnap Client = "docker-snap" // the docker command of the snap package
	Podman     Client = "podman"
	Buildah    Client = "buildah"
	Skopeo     Client = "skopeo"
	Crane      Client = "crane" // with ko, cosign, kaniko and all that is built on go-containerregistry
	ORAS       Client = "oras"
	Helm       Client = "helm"
	Notation   Client = "notation"
	Regctl     Client = "regctl" // with regsync, regbot and all that is built on regclient
)

// Clients lists every client there is.
func Clients() []Client {
	return []Client{Docker, DockerSnap, Podman, Buildah, Skopeo, Crane, ORAS, Helm, Notation, Regctl}
}

// ErrNoLogin is the cause in the fault of an answer when nothing holds a login for the host, so
// that the client goes without one.
var ErrNoLogin = errors.New("there is no login for it")

// Place is where something stands that decides.
type Place struct {
	File string // path; empty for a variable and for what stands nowhere
	Line int    // of the key, from 1; 0 where it is not known
	Key  string // the whole path of the key: `auths["registry.example"].auth`
}

// String is the place in the form in which compilers name one.
func (p Place) String() string {
	switch {
	case p.File == "":
		return p.Key
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Key)
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Key)
}

// at is the place without its file, as it stands in a sentence that names the file.
func (p Place) at() string {
	if p.Line == 0 {
		return p.Key
	}
	return fmt.Sprintf("%s (line %d)", p.Key, p.Line)
}

// Login is what a client does for one host.
type Login struct {
	Place           // the entry, helper's key or variable that decides; zero when nothing does
	Helper string   // the suffix of the credential helper that is asked; empty for an entry
	Hidden []Place  // what would have been used if Place were not there
	Notes  []string // what the client passes over or complains about, and what does not change the answer

	program string // what is run for Helper, where that is not docker-credential-HELPER

	// What an entry makes the client send; zero where it sends nothing, and where a
	// helper has the say.
	Username string
	Secret   login.Secret

	// Chance says that the client takes one of several at random, from one run to the
	// next. Username and Secret are one of them. There is a Fault then.
	Chance bool

	// Behind is what comes next where Helper does not answer with a login: to podman's
	// family and helm when it says "not found"; to docker before version 29 when it
	// fails otherwise, while a newer one fails then; to regctl always. Nil where nothing is sent.
	Behind *Login

	// Fault says why the host gets no login, or the wrong one, and how to cure that.
	// Its reason is fault.Local.
	Fault *fault.Error
	// Before is the first version of docker which the Fault does not concern; 0 where
	// it concerns all. Such a version sends Username and Secret.
	Before int
}

// NoLogin reports whether the fault is that there is no login at all, by ErrNoLogin.
func (l Login) NoLogin() bool { return l.Fault != nil && errors.Is(l.Fault, ErrNoLogin) }

// Ours reports whether the client asks our credential helper.
func (l Login) Ours() bool { return l.Helper == ownHelper }

// Sends reports whether the client certainly sends this login, not asking a helper.
// A caller can compare with its own what is in a file, without looking at it.
func (l Login) Sends(username string, secret login.Secret) bool {
	return l.Helper == "" && !l.Chance && !secret.IsZero() && l.Username == username && l.Secret.Equal(secret)
}

// Answer is what a client does for a host, all that it looks at considered.
type Answer struct {
	Client Client
	Host   string
	File   string // the file that decides, or that a login for this client has to be in
	Login
	Program Program // what is run for Helper; zero where there is none
	// Ahead is asked before, with the name of the repository. The rest holds if it
	// answers "not found"; its failure ends everything. Zero where there is none.
	Ahead Program
}

// ownHelper is the suffix of our credential helper's program.
const ownHelper = "ecr-refreshd"

// wrong makes a fault about a host.
func wrong(host, hint string, err error, op string, args ...any) *fault.Error {
	return &fault.Error{Reason: fault.Local, Hosts: []string{host}, Op: fmt.Sprintf(op, args...), Err: err, Hint: hint}
}

// hides adds places that l hides. Those that stand nowhere do not count.
func (l *Login) hides(places ...Place) {
	for _, p := range places {
		if p != (Place{}) && !slices.Contains(l.Hidden, p) {
			l.Hidden = append(l.Hidden, p)
		}
	}
}

// note adds a sentence.
func (l *Login) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(l.Notes, text) {
		l.Notes = append(l.Notes, text)
	}
}

// list joins places for a sentence.
func list(places []Place) string {
	texts := make([]string, len(places))
	for i, p := range places {
		texts[i] = p.at()
	}
	return strings.Join(texts, ", ")
}
