package dockerconfig

import (
	"fmt"
	"slices"
	"strings"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// anyHost stands for the host in a text that is about several.
const anyHost = "HOST"

// view is the file as docker's loader sees it. That takes several times the memory, so that
// of entries of maxSize/partsShare bytes or more, it sees none: it is then not known whether
// docker stops at one of another host.
func (d *document) view(path string) *clientview.DockerFile {
	size, without := 0, slices.Clone(d.top)
	for _, s := range d.sections {
		without[s.index].value = []byte("{}")
		for _, m := range s.entries {
			size += len(m.rawKey) + len(m.value)
		}
	}
	if size >= maxSize/partsShare {
		return clientview.ReadDocker(path, without.render(0))
	}
	return clientview.ReadDocker(path, d.render())
}

// refused says for which of the hosts docker does not do what the file is for, and how to fix
// that: right decides what that is. docker's own loader has read the file.
func refused(file string, view *clientview.DockerFile, hosts []string, right func(host string, l clientview.Login) bool) (list fault.List) {
	causes := make(map[string]*fault.Error)
	for _, host := range hosts {
		l := view.Login(host)
		var e *fault.Error
		switch {
		case l.NoLogin(): // of a file that was not read whole
			continue
		case l.Fault != nil:
			e = &fault.Error{Reason: fault.Local, Op: l.Fault.Op, Err: l.Fault.Err, Hint: l.Fault.Hint}
		case right(host, l):
			continue
		case l.Helper != "":
			e = shadowed(file, host, l)
		default:
			e = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("docker reads another login than the one stored in %q", file),
				Hint: "see what it reads: `ecr-refreshd doctor`"}
		}
		// One cause is one fault, whatever the number of hosts.
		key := strings.ReplaceAll(e.Error()+"\n"+e.Hint, host, anyHost)
		first, known := causes[key]
		if !known {
			causes[key], list = e, append(list, e)
			e.Hosts = []string{host}
			continue
		}
		if len(first.Hosts) == 1 {
			first.Op, first.Err = strings.ReplaceAll(first.Error(), first.Hosts[0], anyHost), nil
			first.Hint = strings.ReplaceAll(first.Hint, first.Hosts[0], anyHost)
		}
		first.Hosts = append(first.Hosts, host)
	}
	for _, e := range list {
		slices.Sort(e.Hosts)
	}
	return list
}

// shadowed is the fault of a host for which docker asks a helper of somebody else.
func shadowed(file, host string, l clientview.Login) *fault.Error {
	e := &fault.Error{Reason: fault.Local,
		Op:   fmt.Sprintf("docker will not read the login stored in %q: %s sends it to the credential helper %q", file, l.Key, excerpt(l.Helper)),
		Hint: fmt.Sprintf("delete the key %q under \"credHelpers\" in %s, or set `delivery: helper` for this target", host, file)}
	if !strings.HasPrefix(l.Key, credHelpers) {
		e.Hint = fmt.Sprintf("delete the key %q from %s; or, to keep that helper for other registries, set `delivery: helper` for this target, or add {HOST: \"\"} for each of our hosts under \"credHelpers\"", l.Key, file)
	}
	return e
}

// sent reports whether docker sends the login, or asks our helper, which answers with it.
func sent(logins []login.Login) func(host string, l clientview.Login) bool {
	byHost := make(map[string]login.Login, len(logins))
	for _, l := range logins {
		byHost[l.Host] = l
	}
	return func(host string, l clientview.Login) bool {
		return l.Ours() || l.Sends(byHost[host].Username, byHost[host].Secret)
	}
}

// asked reports whether docker asks our helper.
func asked(_ string, l clientview.Login) bool { return l.Ours() }

// maxExcerpt is how much of a string from the file an error quotes, in bytes.
const maxExcerpt = 64

// excerpt is as much of a string from the file as people need to recognize it.
func excerpt(s string) string { return clientview.Printable(s, maxExcerpt) }
