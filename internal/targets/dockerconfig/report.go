package dockerconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ecr-refreshd/internal/clientview"
)

// Report is what Configure or Undo has done to a file, and with which effect. It
// holds nothing secret.
type Report struct {
	File  string       `json:"file"`
	Hosts []HostReport `json:"hosts"` // by name; empty means that there was nothing to do
}

// HostReport is what was done for one host.
type HostReport struct {
	Host      string    `json:"host"`
	Action    Action    `json:"action"`
	Overrules Overruled `json:"overrules,omitzero"` // of an added or present host
}

// Action is what was done about the entry of a host in credHelpers.
type Action string

// The closed list of actions.
const (
	Added   Action = "added"   // it names our helper now
	Present Action = "present" // it named our helper already
	Removed Action = "removed" // it named our helper and is gone
)

// Overruled is what docker would read for a host without our entry.
type Overruled struct {
	Helper     string `json:"helper,omitempty"`      // the host's own entry, which ours replaces for good
	CredsStore string `json:"creds_store,omitempty"` // the helper for all hosts
	Auths      bool   `json:"auths,omitempty"`       // a login in the file: it stays there, and is not read
}

// maxHost is more than the longest host name, in bytes, with a port. The keys of
// a file may be anything.
const maxHost = 260

// String tells it to people, a line for each host.
func (r Report) String() string {
	out := &strings.Builder{}
	fmt.Fprintf(out, "%s:", r.File)
	if len(r.Hosts) == 0 {
		out.WriteString(" nothing to do")
	}
	for _, h := range r.Hosts {
		fmt.Fprintf(out, "\n  %-7s %s", h.Action, h.Host)
		separator := ": "
		for _, effect := range h.Overrules.effects() {
			out.WriteString(separator + effect)
			separator = " and "
		}
	}
	return out.String()
}

// effects says what our entry means beyond itself.
func (o Overruled) effects() (texts []string) {
	if o.Helper != "" {
		texts = append(texts, fmt.Sprintf("replaces the helper %q (--undo does not bring it back)", o.Helper))
	}
	if o.CredsStore != "" {
		texts = append(texts, fmt.Sprintf("overrules credsStore %q", o.CredsStore))
	}
	if o.Auths {
		texts = append(texts, `overrules the login under "auths", which stays in the file but is no longer read`)
	}
	return texts
}

// newReport sorts the hosts, and makes their names fit to be shown.
func newReport(file string, hosts map[string]HostReport) Report {
	r := Report{File: file, Hosts: make([]HostReport, 0, len(hosts))}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		h := hosts[host]
		h.Host = clientview.Printable(h.Host, maxHost)
		r.Hosts = append(r.Hosts, h)
	}
	return r
}
