package clientview

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
	"ecr-refreshd/internal/shell"
)

// MaxFile is the largest file that is read, in bytes.
const MaxFile = 8 << 20

// Eye looks as one account does. It keeps nothing; it is safe for concurrent use if
// its functions are.
type Eye struct {
	Account osuser.Account
	// Getenv returns the variables that the client is run with, "" for those not set;
	// nil means that none is. Without PATH no helper is found; the account's home stands
	// in for HOME.
	Getenv func(name string) string
	// Read reads a file, and Stat looks at one, with the account's rights. Nil means
	// with those of this process; a Read of the caller's must be bounded in size and
	// time, and must not wait at a FIFO.
	Read func(path string) ([]byte, error)
	Stat func(path string) (fs.FileInfo, error)
}

// Look says what the client does for the host.
func (e Eye) Look(client Client, host string) Answer {
	a := Answer{Client: client, Host: host}
	switch client {
	case Docker, DockerSnap:
		e.docker(&a)
	case Podman, Buildah, Skopeo:
		e.containers(&a)
	case Crane:
		e.crane(&a)
	case ORAS, Helm, Notation:
		e.oras(&a)
	case Regctl:
		e.regctl(&a)
	default:
		a.Fault = wrong(host, "", nil, "nothing is known about the client %q", client)
	}
	return a
}

func (e Eye) getenv(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

func (e Eye) home() string {
	if home := e.getenv("HOME"); home != "" {
		return home
	}
	return e.Account.Home
}

func (e Eye) stat(path string) (fs.FileInfo, error) {
	if e.Stat == nil {
		return os.Stat(path)
	}
	return e.Stat(path)
}

// who names the account for people.
func (e Eye) who() string {
	if e.Account.Name != "" {
		return e.Account.Name
	}
	return fmt.Sprintf("user id %d", e.Account.UID)
}

// file is one that a client looks at.
type file struct {
	path     string
	variable string // that led to it; empty where it is the default
	legacy   bool   // in the format of ~/.dockercfg
	content  []byte
	there    bool
	fault    *fault.Error // why it cannot be read
}

// read reads a file. One that is not there is no fault.
func (e Eye) read(host, variable, path string) file {
	f := file{path: path, variable: variable}
	if !filepath.IsAbs(path) {
		hint := "set HOME, or DOCKER_CONFIG to a directory"
		if variable != "" {
			hint = fmt.Sprintf("set %s to an absolute path", variable)
		}
		f.fault = wrong(host, hint, nil, "find %q: it is relative, so that it depends on the directory in which the client is started", path)
		return f
	}
	var err error
	if e.Read != nil {
		f.content, err = e.Read(path)
	} else {
		f.content, err = filetrust.Read("the client's file", path, MaxFile)
	}
	f.there = !errors.Is(err, fs.ErrNotExist)
	if err != nil && f.there {
		f.fault = e.unreadable(host, f, err)
	}
	return f
}

// unreadable is the fault of a file that the client cannot read.
func (e Eye) unreadable(host string, f file, err error) *fault.Error {
	hint := fmt.Sprintf("look at %s", f.path)
	switch {
	case errors.Is(err, syscall.ENOTDIR) && f.variable != "":
		hint = fmt.Sprintf("%s has to name the directory, not the file in it", f.variable)
		if base := filepath.Base(filepath.Dir(f.path)); base == "config.json" {
			hint = fmt.Sprintf("%s has to name the directory: set it to %s", f.variable, filepath.Dir(filepath.Dir(f.path)))
		}
	case errors.Is(err, fs.ErrPermission):
		// No chown to be pasted: by a link of the account's it would give away any file.
		hint = fmt.Sprintf("namei -l %s shows the part that %s may not read; if it is a plain file or directory, give it back with chown -h", shell.Quote(f.path), e.who())
	case errors.Is(err, filetrust.ErrNotRegular):
		hint = fmt.Sprintf("put a file at %s, or nothing", f.path)
	case errors.Is(err, filetrust.ErrTooLarge):
		hint = fmt.Sprintf("move %s away and log in again", f.path)
	}
	if inner := new(fs.PathError); errors.As(err, &inner) {
		err = inner.Err // the path is in the text already
	}
	return wrong(host, hint, err, "read %q as %s", f.path, e.who())
}

// Program is what a client runs for a credential helper.
type Program struct {
	Name  string // docker-credential-NAME
	Path  string // where it was found; empty where it was not
	State State
}

// State says whether a program can be run.
type State string

// The states.
const (
	Found         State = "found"
	Missing       State = "missing"        // in no directory of PATH
	NotExecutable State = "not executable" // by this account, or from within the snap
)

// program looks for a program on PATH as the client does.
func (e Eye) program(name string) Program {
	p := Program{Name: name, State: Missing}
	dirs := filepath.SplitList(e.getenv("PATH"))
	if strings.Contains(name, "/") {
		dirs = []string{""} // a path
	}
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if !filepath.IsAbs(path) {
			continue // what is found there, Go's programs do not run
		}
		info, err := e.stat(path)
		switch {
		case err != nil || info.IsDir():
		case e.mayRun(info):
			return Program{Name: name, Path: path, State: Found}
		case p.State == Missing:
			p.Path, p.State = path, NotExecutable
		}
	}
	return p
}

// mayRun reports whether the account may execute the file.
func (e Eye) mayRun(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case !ok || e.Account.UID == 0:
		return mode&0o111 != 0
	case int(st.Uid) == e.Account.UID:
		return mode&0o100 != 0
	case int(st.Gid) == e.Account.GID || slices.Contains(e.Account.Groups, int(st.Gid)):
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}
