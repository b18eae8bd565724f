package dockerconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"ecr-refreshd/internal/fault"
)

// ownHelper is the credential helper that answers from the running daemon, so
// that it hides nothing.
const ownHelper = "ecr-refreshd"

// helpers is what a config.json says about credential helpers, as docker
// reads it: credHelpers by exact host, and credsStore for all the others. An empty
// name under credHelpers sends docker back to "auths", past credsStore too.
type helpers struct {
	store   string
	byHost  map[string]string
	broken  string // the key whose value docker cannot read, which fails the whole file
	spelled string // how credsStore is spelled in the file
}

// helpers collects them. docker matches the two keys in any letter case, and of
// doubles the last counts; a null under credHelpers undoes those before it.
func (d *document) helpers() helpers {
	h := helpers{byHost: map[string]string{}}
	for _, m := range d.top {
		var err error
		switch {
		case strings.EqualFold(m.key, "credsStore") && !isNull(m.value):
			h.spelled = m.key
			err = json.Unmarshal(m.value, &h.store)
		case strings.EqualFold(m.key, credHelpers) && isNull(m.value):
			clear(h.byHost)
		case strings.EqualFold(m.key, credHelpers):
			err = h.add(m.value)
		}
		if err != nil {
			h.broken = m.key
		}
	}
	return h
}

var errNotText = errors.New("not a string")

// add reads a value of credHelpers.
func (h helpers) add(raw json.RawMessage) error {
	o, err := parseObject(raw)
	for _, m := range o {
		var helper string
		if json.Unmarshal(m.value, &helper) != nil {
			err = errNotText
			continue
		}
		h.byHost[m.key] = helper
	}
	return err
}

// maxExcerpt is how much of a string from the file an error quotes, in bytes.
const maxExcerpt = 64

// excerpt is as much of a string from the file as people need to recognize it.
func excerpt(s string) string { return printable(s, maxExcerpt) }

// printable is what can be shown of the first bytes of s.
func printable(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), most)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// shadows names the helper that docker asks for host in place of the file, ""
// when it reads the file or asks our own helper.
func (h helpers) shadows(host string) (helper string, byHost bool) {
	helper, byHost = h.byHost[host]
	if !byHost {
		helper = h.store
	}
	if helper == ownHelper {
		helper = ""
	}
	return helper, byHost
}

// hide reports whether docker will not read the login of host.
func (h helpers) hide(host string) bool {
	helper, _ := h.shadows(host)
	return helper != "" || h.broken != ""
}

// faults says for which of the hosts docker will not read the file that was
// just written, and how to fix that.
func (h helpers) faults(file string, hosts []string) fault.List {
	if h.broken != "" {
		return fault.List{{
			Reason: fault.Local, Hosts: hosts,
			Op:   fmt.Sprintf("docker cannot read %q: the value of %q is not what docker expects", file, h.broken),
			Hint: fmt.Sprintf("correct or delete the key %q in %s", h.broken, file),
		}}
	}
	var list fault.List
	var all []string
	for _, host := range hosts {
		helper, byHost := h.shadows(host)
		switch {
		case helper == "":
		case byHost:
			list = append(list, &fault.Error{
				Reason: fault.Local, Hosts: []string{host},
				Op:   fmt.Sprintf("docker will not read the login stored in %q: credHelpers sends it to the credential helper %q", file, excerpt(helper)),
				Hint: fmt.Sprintf("delete the key %q under \"credHelpers\" in %s, or set `delivery: helper` for this target", host, file),
			})
		default:
			all = append(all, host)
		}
	}
	if len(all) > 0 {
		slices.Sort(all)
		list = append(list, &fault.Error{
			Reason: fault.Local, Hosts: all,
			Op: fmt.Sprintf("docker will not read the logins stored in %q: %s sends it to the credential helper %q", file, h.spelled, excerpt(h.store)),
			Hint: fmt.Sprintf("delete the key %q from %s; or, to keep that helper for other registries, add {%q: \"\"} and so on for each of our hosts under \"credHelpers\"",
				h.spelled, file, all[0]),
		})
	}
	return list
}
