package discover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// width is the length of a line, in bytes, at which comments are broken.
const width = 96

// yaml builds a file.
type yaml struct{ strings.Builder }

func (y *yaml) line(format string, args ...any) { fmt.Fprintf(y, format+"\n", args...) }

// comment writes a text above what it is about, broken at words.
func (y *yaml) comment(indent, text string) {
	line := indent + "#"
	for _, w := range strings.Fields(text) {
		if len(line)+1+len(w) > width && line != indent+"#" {
			y.line("%s", line)
			line = indent + "#"
		}
		line += " " + w
	}
	y.line("%s", line)
}

// config writes the configuration.
func (h *host) config(wants []*want) string {
	var y yaml
	y.comment("", "Drafted by `ecr-refreshd init` from what it found on this host. `ecr-refreshd check` shows what it leads to.")
	common := wants[0].profile
	if slices.ContainsFunc(wants, func(w *want) bool { return w.profile != common }) {
		common = ""
	}
	y.line("\nregistries:")
	for len(wants) > 0 {
		n := 1 // how many go into one entry
		for first := wants[0]; n < len(wants) && first.together(wants[n]); n++ {
			first.note += wants[n].note
		}
		y.entry(wants[:n], common)
		wants = wants[n:]
	}
	if common != "" {
		y.line("\naws:\n  profile: %q", common)
	}
	y.line("\ntargets:")
	if users := h.pullers(); !h.Own {
		y.comment("  ", "Checks each login through the Docker Engine. One that is not there yet is waited for.")
		y.line("  - type: engine")
		for _, a := range users {
			if h.homes { // the config.json names the credential helper; no token is in it
				y.line("  - type: docker-config\n    user: %q\n    delivery: helper", a.Name)
			}
		}
		y.line("\nsocket:")
		y.comment("  ", "Its members get logins through the credential helper.")
		y.line("  group: docker")
		return y.String()
	}
	if h.ownEngine || slices.ContainsFunc(h.accounts, func(a account) bool { return a.docker }) {
		y.comment("  ", "Checks each login through the Docker Engine that your docker uses.")
		y.line("  - type: engine")
	}
	y.comment("  ", "~/.docker/config.json names the credential helper; no token is in it.")
	y.line("  - type: docker-config\n    delivery: helper")
	return y.String()
}

// together reports whether one entry can say both.
func (w *want) together(o *want) bool {
	r, q := w.registry, o.registry
	return plain(r) && plain(q) && r.Account != "" && q.Account != "" && r.Region == q.Region && w.profile == o.profile
}

// entry writes one element of registries.
func (y *yaml) entry(wants []*want, common string) {
	var accounts []string
	var from []place
	for _, w := range wants {
		accounts = append(accounts, strconv.Quote(w.registry.Account))
		for _, p := range w.at {
			if !slices.Contains(from, p) {
				from = append(from, p)
			}
		}
	}
	w := wants[0]
	if len(from) > 0 {
		y.comment("  ", "From "+places(from)+".")
	}
	if w.note != "" {
		y.comment("  ", w.note)
	}
	var keys []string
	switch r := w.registry; {
	case r.Public && !r.DualStack:
		keys = []string{"public: true"}
	case !plain(r):
		keys = []string{"host: " + r.Host()}
	case len(accounts) > 1:
		keys = []string{"accounts: [" + strings.Join(accounts, ", ") + "]", "region: " + r.Region}
	case r.Account != "":
		keys = []string{"account: " + accounts[0], "region: " + r.Region}
	default:
		keys = []string{"region: " + r.Region + " # of the identity's own account"}
	}
	if w.profile != common {
		keys = append(keys, fmt.Sprintf("aws: {profile: %q}", w.profile))
	}
	y.line("  - %s", strings.Join(keys, "\n    "))
}

// places names a few of many.
func places(all []place) string {
	const most = 4
	var names []string
	for _, p := range all {
		names = append(names, p.String())
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
