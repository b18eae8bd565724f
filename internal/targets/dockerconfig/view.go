package dockerconfig

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/clientview"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/shell"
)

// anyHost stands for the host in a text that is about several.
const anyHost = "HOST"

// view is the file as the client's loader sees it. That takes several times the memory, so that
// of entries of maxSize/partsShare bytes or more, it sees none: it is then not known whether
// the client stops at one of another host.
func (w site) view(d *document) view {
	size, without := 0, slices.Clone(d.top)
	for _, s := range d.sections {
		without[s.index].value = []byte("{}")
		for _, m := range s.entries {
			size += len(m.rawKey) + len(m.value)
		}
	}
	if size >= maxSize/partsShare {
		return w.format.read(w.path, without.render(0))
	}
	return w.format.read(w.path, d.render())
}

// judge is how the client sees the file, and the one that it looks at before, if there is one.
type judge struct {
	site
	file, before view
}

func (s *session) judge(d *document) judge {
	j := judge{s.site, s.view(d), nil}
	if path := s.ahead(); path != "" {
		if dirfd, name, err := find(s.rule, path, 0); err == nil {
			if f, err := readFile(dirfd, name, leastShare); err == nil {
				j.before = s.format.read(path, f.content)
			}
			_ = unix.Close(dirfd)
		}
	}
	return j
}

// verdict says for which of the hosts the client does not do what the file is for, which right
// decides.
func (j judge) verdict(hosts []string, right func(host string, l clientview.Login) bool) fault.List {
	list := j.refused(j.file, hosts, right)
	if j.before != nil {
		list = append(list, j.refused(j.before, hosts, right)...)
	}
	return list
}

// notes is what else there is to say of the hosts.
func (j judge) notes(hosts []string) string {
	var all []string
	for _, host := range hosts {
		if j.format == containers {
			all = append(all, j.file.Login(host).Notes...)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%s; this target does not renew it%s", all[0], more(len(all)-1))
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", nor %d more like it", n)
}

// refused says for which of the hosts the client does not do what the file is for, and how to
// fix that. The view is of the file, or of one that the client looks at before.
func (w site) refused(view view, hosts []string, right func(host string, l clientview.Login) bool) (list fault.List) {
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
		case l.File != w.path:
			e = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("%s does not read the login stored in %q: before, it looks at %s", w.format.client, w.path, l.Place),
				Hint: fmt.Sprintf("take it out there: %spodman logout --authfile %s %s", w.sudo(), shell.Quote(l.File), host)}
		case l.Helper != "":
			e = w.shadowed(host, l)
		default:
			e = &fault.Error{Reason: fault.Local, Op: fmt.Sprintf("%s reads another login than the one stored in %q", w.format.client, w.path),
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
		e.Overruled = true
		slices.Sort(e.Hosts)
	}
	return list
}

// sudo begins a command that the account must run itself: another one would go through its links.
func (w site) sudo() string {
	if w.as == nil {
		return ""
	}
	return "sudo -u " + shell.Quote(w.user) + " "
}

// shadowed is the fault of a host for which the client asks a helper of somebody else.
func (w site) shadowed(host string, l clientview.Login) *fault.Error {
	e := &fault.Error{Reason: fault.Local,
		Op:   fmt.Sprintf("%s will not read the login stored in %q: %s sends it to the credential helper %q", w.format.client, w.path, l.Key, excerpt(l.Helper)),
		Hint: fmt.Sprintf("delete the key %q under \"credHelpers\" in %s, or set `delivery: helper` for this target", host, w.path)}
	if !strings.HasPrefix(l.Key, credHelpers) {
		e.Hint = fmt.Sprintf("delete the key %q from %s; or, to keep that helper for other registries, set `delivery: helper` for this target, or add {HOST: \"\"} for each of our hosts under \"credHelpers\"", l.Key, w.path)
	}
	return e
}

// sent reports whether the client sends the login, or asks our helper, which answers with it.
func sent(logins []login.Login) func(host string, l clientview.Login) bool {
	byHost := make(map[string]login.Login, len(logins))
	for _, l := range logins {
		byHost[l.Host] = l
	}
	return func(host string, l clientview.Login) bool {
		return l.Ours() || l.Sends(byHost[host].Username, byHost[host].Secret)
	}
}

// asked reports whether the client asks our helper.
func asked(_ string, l clientview.Login) bool { return l.Ours() }

// maxExcerpt is how much of a string from the file an error quotes, in bytes.
const maxExcerpt = 64

// excerpt is as much of a string from the file as people need to recognize it.
func excerpt(s string) string { return clientview.Printable(s, maxExcerpt) }
