package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/shell"
)

// The commands below are for the shell in which doctor was run, or root's. Whatever comes from a
// file or an account is quoted. What is done in the files of an account is done with its rights:
// by a link, it could lead root anywhere.

const sudo = "sudo "

// asRoot makes a command root's: in root's own shell, sudo changes nothing.
func asRoot(command string) string { return sudo + command }

// mine reports whether the account is the one that runs doctor.
func (l *looker) mine() bool { return l.account.UID == os.Geteuid() }

// asAccount makes a command the account's.
func (l *looker) asAccount(command string) string {
	switch {
	case !l.mine():
		return sudo + "-u " + shell.Quote(l.account.Name) + " " + command
	case l.account.UID == 0:
		return asRoot(command)
	}
	return command
}

// configure is the command that gives the account the credential helper in docker's file;
// empty where the client does not read that.
func (l *looker) configure(a clientview.Answer) string {
	file := a.File
	if l.client != clientview.Docker && file != l.dockers(a.Host) {
		return ""
	}
	command := "ecr-refreshd configure-docker"
	switch {
	case !l.mine():
		return asRoot(command + " --user " + shell.Quote(l.account.Name))
	case l.account.UID != 0:
		return command
	case file != filepath.Join(l.account.Home, ".docker", "config.json"):
		command += " --file " + shell.Quote(file) // sudo keeps neither HOME nor DOCKER_CONFIG
	}
	return asRoot(command)
}

// dockers is docker's own file. It is the same for every host.
func (l *looker) dockers(host string) string {
	if l.dockerFile == "" {
		l.dockerFile = l.eye.Look(clientview.Docker, host).File
	}
	return l.dockerFile
}

// again is the command that puts a login where the client finds it, once nothing is in its way.
func (l *looker) again(a clientview.Answer) string {
	switch {
	case !l.isTarget(a.File):
		return l.configure(a)
	case l.report != nil:
		return refresh(a.Host)
	}
	return "" // the daemon's absence is a fault of its own
}

func refresh(host string) string { return asRoot("ecr-refreshd refresh " + shell.Quote(host)) }

// remedy is what to do about the fault of an answer: in words, and the command.
func (l *looker) remedy(a clientview.Answer) (cure, command string) {
	cure = a.Fault.Hint
	again := l.again(a)
	err := a.Fault.Err
	switch {
	case strings.HasPrefix(a.Key, authVariable+":"):
		return l.unset(authVariable)
	case a.NoLogin() && l.client != clientview.Docker:
		return cure, ""
	case a.NoLogin():
		return "", again
	case a.Client == clientview.DockerSnap:
		return cure, ""
	case a.Ours() && a.Program.State == clientview.NotExecutable:
		return "", l.asTheFiles(a.Program.Path, "chmod a+x "+shell.Quote(a.Program.Path))
	case a.Ours() && a.Program.State == clientview.Missing:
		return cure, l.link()
	case a.Ahead.Name != "" && a.Ahead.State != clientview.Found:
		return cure, "" // who took the store away may want it back
	case a.Helper != "":
		return cure, again
	case errors.Is(err, syscall.ENOTDIR) && filepath.Base(l.eye.Getenv("DOCKER_CONFIG")) == "config.json":
		return cure + l.setAt("DOCKER_CONFIG"), "export DOCKER_CONFIG=" + shell.Quote(filepath.Dir(l.eye.Getenv("DOCKER_CONFIG")))
	case errors.Is(err, syscall.ENOTDIR) && filepath.Base(filepath.Dir(a.File)) == ".docker":
		return l.aside("there is a file where the directory has to be", filepath.Dir(a.File), again)
	case errors.Is(err, fs.ErrPermission):
		return l.aside(cure, l.closed(a.File), again)
	case errors.Is(err, filetrust.ErrNotRegular), errors.Is(err, syscall.EISDIR), errors.Is(err, filetrust.ErrTooLarge):
		return l.aside(cure, a.File, again)
	case err != nil:
		return cure, ""
	}
	switch content := l.contentOf(a.File); {
	case content == unread:
		return cure, ""
	case content == marked:
		return cure, both(l.asAccount(`sed -i '1s/^\xef\xbb\xbf//' `+shell.Quote(a.File)), again)
	case content == useless:
		return l.aside(cure, a.File, again)
	case l.client == clientview.Docker && again != "" && !l.isTarget(a.File):
		return cure + "; docker asks the credential helper all the same", again
	case strings.HasPrefix(a.Key, "auths[") && l.client != clientview.Crane: // which gives up with any such entry
		return cure, again
	}
	return cure, ""
}

// authVariable holds logins that docker takes before those in files.
const authVariable = "DOCKER_AUTH_CONFIG"

// both runs a second command once the first has worked.
func both(first, then string) string {
	if first == "" || then == "" {
		return first + then
	}
	return first + " && " + then
}

// content is what a file is good for.
type content int

const (
	usable  content = iota // docker finds the entries of credHelpers in it, whatever else is wrong
	useless                // it finds nothing, or credHelpers has the wrong shape
	marked                 // it starts with a byte order mark
	unread
)

// contentOf looks at a file once: it may be large, and there is an answer for each host.
func (l *looker) contentOf(path string) content {
	c, known := l.contents[path]
	if !known {
		data, err := l.read(path)
		if c = judge(data); err != nil {
			c = unread
		}
		if l.contents == nil {
			l.contents = map[string]content{}
		}
		l.contents[path] = c
	}
	return c
}

func judge(data []byte) content {
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return marked
	}
	var top map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(data)).Decode(&top) != nil {
		return useless
	}
	for key, value := range top {
		if strings.EqualFold(key, "credHelpers") && json.Unmarshal(value, new(map[string]string)) != nil {
			return useless
		}
	}
	return usable
}

// read reads a file as the account does.
func (l *looker) read(path string) ([]byte, error) {
	if l.eye.Read != nil {
		return l.eye.Read(path)
	}
	return as(nil, func() ([]byte, error) { return read(path) })
}

// aside moves away what is in the way of a good file. Nothing is lost: it has another name.
func (l *looker) aside(cure, path, then string) (string, string) {
	if path == "" || then == "" {
		return cure, ""
	}
	for i := range maxAside {
		kept := path + ".old"
		if i > 0 {
			kept += fmt.Sprint(i)
		}
		if _, err := l.eye.Stat(kept); errors.Is(err, fs.ErrNotExist) {
			return cure + fmt.Sprintf("; or start afresh: logins for other registries are then in %s only", kept),
				both(l.asAccount("mv -n "+shell.Quote(path)+" "+shell.Quote(kept)), then)
		}
	}
	return cure, ""
}

// maxAside is how many files that were moved away there may be.
const maxAside = 20

// closed is the part of the path that the account may not read and may rename: the file, or the
// directory .docker; empty for none.
func (l *looker) closed(path string) string {
	for range 2 {
		dir := filepath.Dir(path)
		info, err := l.eye.Stat(dir)
		if err == nil && owner(info) == l.account.UID {
			return path
		}
		if path = dir; filepath.Base(dir) != ".docker" {
			break
		}
	}
	return ""
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// asTheFiles makes a command that of the file's owner: the account, or root.
func (l *looker) asTheFiles(path, command string) string {
	if info, err := l.eye.Stat(path); err == nil && owner(info) == l.account.UID {
		return l.asAccount(command)
	}
	return asRoot(command)
}

// link puts our credential helper on the account's PATH, if it is known where it is.
func (l *looker) link() string {
	dirs := filepath.SplitList(l.eye.Getenv("PATH"))
	const usual = "/usr/local/bin"
	if slices.Contains(dirs, usual) {
		dirs = []string{usual}
	}
	for _, dir := range dirs {
		if info, err := l.eye.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) && l.Clients.Installed != "" {
			return l.asTheFiles(dir, "ln -sf "+shell.Quote(l.Clients.Installed)+" "+shell.Quote(dir+"/"))
		}
	}
	return ""
}

// renewed is how an old login of ours that a client sends gets out of its way.
func (l *looker) renewed(a clientview.Answer) (cure, command string) {
	switch {
	case strings.HasPrefix(a.Key, authVariable+":"):
		return l.unset(authVariable)
	case l.isTarget(a.File):
		return "", l.again(a)
	}
	if command := l.configure(a); command != "" {
		return "", command
	}
	cure = fmt.Sprintf("delete %s in %s, or add a target for this file", a.Key, a.File)
	if a.Key != fmt.Sprintf("auths[%q]", a.Host) {
		return cure, ""
	}
	host, file := shell.Quote(a.Host), shell.Quote(a.File)
	switch l.client {
	case clientview.Podman, clientview.Buildah, clientview.Skopeo:
		return cure, l.asAccount(fmt.Sprintf("%s logout --authfile %s %s", l.client, file, host))
	case clientview.Helm:
		return cure, l.asAccount(fmt.Sprintf("helm registry logout --registry-config %s %s", file, host))
	}
	return cure, ""
}

// unset takes a variable out of the shell in which doctor was run, and says what else is in it.
func (l *looker) unset(name string) (cure, command string) {
	return "logins for other registries go with it" + l.setAt(name), "unset " + name
}

// startups are the files in which a login finds variables, of the host and of an account.
var startups = []string{"/etc/environment", "/etc/profile", "/etc/profile.d/*.sh", "/etc/bash.bashrc", "~/.profile", "~/.bash_profile", "~/.bash_login", "~/.bashrc", "~/.zshenv", "~/.zprofile", "~/.zshrc",
	"~/.config/environment.d/*.conf"}

// setAt says where a variable is set that will be back with the next login; empty if nowhere.
func (l *looker) setAt(name string) string {
	var found []string
	for _, pattern := range startups {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			pattern = l.home() + rest
		}
		paths, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		for _, path := range paths {
			data, err := l.read(path)
			if err != nil {
				continue
			}
			number := 0
			for line := range strings.Lines(string(data)) {
				number++
				if sets(line, name) {
					found = append(found, fmt.Sprintf("%s:%d", path, number))
				}
			}
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; it is set again at the next login: take it out of " + few(found)
}

func (l *looker) home() string {
	if home := l.eye.Getenv("HOME"); home != "" {
		return home
	}
	return l.account.Home
}

// sets reports whether a line of a shell's or of PAM's sets the variable.
func sets(line, name string) bool {
	for word := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(" \t\n;&", r) }) {
		switch {
		case strings.HasPrefix(word, name+"="):
			return true
		case word == "export" || word == "declare" || word == "-x" || strings.Contains(word, "="):
		default:
			return false // a comment, or a command for which alone the variable is set
		}
	}
	return false
}
