package dockerconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Report is what Configure or Undo has done to a file, and with which effect. It
// holds nothing secret.
type Report struct {
	File  string       `json:"file"`
	Hosts []HostReport `json:"hosts"` // by name; empty means that there was nothing to do
}

// HostReport is what was done for one host.
type HostReport struct {
	Host   string `json:"host"`
	Action Action `json:"action"`
	// Helper is, of a restored host, the helper that docker asks again; empty for
	// none, which is how credHelpers sends docker to "auths".
	Helper    string    `json:"helper,omitempty"`
	Overrules Overruled `json:"overrules,omitzero"` // of an added or present host
}

// Action is what was done about the entry of a host in credHelpers.
type Action string

// The closed list of actions.
const (
	Added    Action = "added"    // it names our helper now
	Present  Action = "present"  // it named our helper already
	Removed  Action = "removed"  // it named our helper and is gone
	Restored Action = "restored" // it named our helper and is what it was before
)

// Overruled is what docker would read for a host without our entry.
type Overruled struct {
	Helper     string `json:"helper,omitempty"`      // the host's own entry before ours, which Undo puts back
	CredsStore string `json:"creds_store,omitempty"` // the helper for all hosts
	Auths      bool   `json:"auths,omitempty"`       // a login in the file: it stays there, and is not read
}

const (
	// maxReported is how many hosts people are told of by name.
	maxReported = 1000
	// maxHost is more than the longest host name, in bytes, with a port. The keys of
	// a file may be anything.
	maxHost = 260
)

// String tells it to people, a line for each host.
func (r Report) String() string {
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s:", r.File)
	if len(r.Hosts) == 0 {
		out.WriteString(" nothing to do")
	}
	for _, h := range r.Hosts[:min(len(r.Hosts), maxReported)] {
		fmt.Fprintf(out, "\n  %-8s %s%s", h.Action, h.Host, h.effect())
	}
	if more := len(r.Hosts) - maxReported; more > 0 {
		fmt.Fprintf(out, "\n  and %d more", more)
	}
	return out.String()
}

// effect says what the action means beyond the entry itself.
func (h HostReport) effect() string {
	if h.Action == Restored {
		if h.Helper == "" {
			return `: docker reads the login under "auths" again`
		}
		return fmt.Sprintf(": docker asks the helper %q again", h.Helper)
	}
	var overruled []string
	if o := h.Overrules; o.Helper != "" {
		overruled = append(overruled, fmt.Sprintf("the helper %q", o.Helper))
	} else if o.CredsStore != "" {
		overruled = append(overruled, fmt.Sprintf("credsStore %q", o.CredsStore))
	}
	if h.Overrules.Auths {
		overruled = append(overruled, `the login under "auths", which stays in the file but is no longer read`)
	}
	if len(overruled) == 0 {
		return ""
	}
	return ": overrules " + strings.Join(overruled, " and ")
}

// newReport sorts the hosts, and makes their names fit to be shown.
func newReport(file string, hosts map[string]HostReport) Report {
	r := Report{File: file, Hosts: make([]HostReport, 0, len(hosts))}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[host]
		h.Host = printable(h.Host, maxHost)
		r.Hosts = append(r.Hosts, h)
	}
	return r
}

// overruled gives what entries with our helper overrule in the document, by host,
// was being what credHelpers was before they came.
func (d *document) overruled(hosts []string, was record) map[string]Overruled {
	store := d.helpers().store
	if store == ownHelper {
		store = ""
	}
	loggedIn := map[string]bool{} // by host in lower case
	for _, s := range d.sections {
		for _, m := range s.entries {
			// An empty entry is docker's mark for a login that a helper keeps.
			if login, err := parseObject(m.value); err == nil && len(login) > 0 {
				loggedIn[strings.ToLower(bareHost(m.key))] = true
			}
		}
	}
	all := make(map[string]Overruled, len(hosts))
	for _, h := range hosts {
		o := Overruled{Auths: loggedIn[strings.ToLower(h)]}
		if helper, there := was[h]; there {
			o.Helper = excerpt(helper)
		} else {
			o.CredsStore = excerpt(store)
		}
		all[h] = o
	}
	return all
}
