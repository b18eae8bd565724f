package dockerconfig

import (
	"encoding/json"
	"slices"
	"strings"
)

// credHelpers is the key under which a config.json has a helper for a host.
const credHelpers = "credHelpers"

// ownHelper is the credential helper that answers from the running daemon.
const ownHelper = "ecr-refreshd"

func isOwn(value json.RawMessage) bool {
	var helper string
	return json.Unmarshal(value, &helper) == nil && helper == ownHelper
}

// pointers gives the members that docker reads as credHelpers, and which of them is to
// have our entries: the main one, unless there is a null in its place or behind it,
// with which docker forgets what came before. -1 means that there is none. The error
// is a *problem.
func (d *document) pointers() (all []section, main int, err error) {
	all, err = sectionsOf(d.top, credHelpers)
	main = -1
	for i, s := range all {
		switch {
		case s.entries == nil:
			main = -1
			if s.main && !slices.ContainsFunc(all[:i], func(s section) bool { return s.entries != nil }) {
				main = i // there is nothing that it made docker forget
			}
		case d.top[s.index].key == credHelpers:
			main = i
		}
	}
	return all, main, err
}

// helped gives the hosts for which every reader of the file asks our own helper: docker,
// by its view of the file, and those that read the exact spelling of credHelpers only.
// The error is a *problem.
func (d *document) helped(view view) (hosts map[string]bool, err error) {
	all, main, err := d.pointers()
	if err != nil || main < 0 {
		return nil, err
	}
	hosts = map[string]bool{}
	for _, m := range all[main].entries {
		hosts[m.key] = isOwn(m.value) && view.Login(m.key).Ours()
	}
	return hosts, nil
}

// point makes every reader ask our own helper for the hosts. Entries that would count
// in place of ours are changed where they stand. The error is a *problem.
func (d *document) point(hosts []string) error {
	all, main, err := d.pointers()
	if err != nil {
		return err
	}
	if main < 0 {
		main = len(all)
		all = append(all, section{index: len(d.top)})
		d.top = append(d.top, member{rawKey: quoted(credHelpers), key: credHelpers})
	}
	wanted, placed := setOf(hosts), map[string]bool{}
	for i := main; i < len(all); i++ { // those before are overruled
		for j, m := range all[i].entries {
			if wanted[m.key] {
				all[i].entries[j].value = quoted(ownHelper)
				placed[m.key] = placed[m.key] || i == main
			}
		}
	}
	for _, h := range hosts {
		if !placed[h] {
			all[main].entries = append(all[main].entries, member{quoted(h), h, quoted(ownHelper)})
			placed[h] = true
		}
	}
	for _, s := range all[main:] {
		d.top[s.index].value = s.entries.render(1)
	}
	return nil
}

func setOf(hosts []string) map[string]bool {
	in := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		in[h] = true
	}
	return in
}

// unpoint takes away the entries of the hosts, nil for all, that have our own helper, and
// a credHelpers that is empty then. It returns their hosts. The error is a *problem.
func (d *document) unpoint(hosts map[string]bool) (gone []string, err error) {
	all, _, err := d.pointers()
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(all) { // so that the indexes of those to come stay right
		kept := object{}
		for _, m := range s.entries {
			if (hosts == nil || hosts[m.key]) && isOwn(m.value) {
				gone = append(gone, m.key)
			} else {
				kept = append(kept, m)
			}
		}
		switch {
		case len(kept) == len(s.entries):
		case len(kept) == 0:
			d.deleteTop(s.index)
		default:
			d.top[s.index].value = kept.render(1)
		}
	}
	return gone, nil
}

// deleteTop takes a member that is no section of logins out of the document.
func (d *document) deleteTop(index int) {
	d.top = slices.Delete(d.top, index, index+1)
	for i := range d.sections {
		if d.sections[i].index > index {
			d.sections[i].index--
		}
	}
}

// without says what the client would do for the hosts if our entries were not
// there, by host. The error is a *problem.
func (w site) without(d *document, hosts []string) (map[string]Overruled, error) {
	bare := &document{top: slices.Clone(d.top), sections: slices.Clone(d.sections)}
	if _, err := bare.unpoint(setOf(hosts)); err != nil {
		return nil, err
	}
	view := w.view(bare)
	all := make(map[string]Overruled, len(hosts))
	for _, h := range hosts {
		l := view.Login(h)
		o := Overruled{Auths: l.Behind != nil || l.Helper == "" && l.Username != ""}
		switch {
		case l.Ours(): // by credsStore
		case strings.HasPrefix(l.Key, credHelpers):
			o.Helper = excerpt(l.Helper)
		default:
			o.CredsStore = excerpt(l.Helper)
		}
		all[h] = o
	}
	return all, nil
}
