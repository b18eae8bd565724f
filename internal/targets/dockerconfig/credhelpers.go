package dockerconfig

import (
	"encoding/json"
	"slices"
)

// credHelpers is the key under which a config.json has a helper for a host.
const credHelpers = "credHelpers"

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

func isOwn(value json.RawMessage) bool {
	var helper string
	return json.Unmarshal(value, &helper) == nil && helper == ownHelper
}

// helped gives the hosts for which every reader of the file asks our own helper:
// docker, to which the last entry in any spelling of credHelpers counts, and those
// that read the exact one only. The error is a *problem.
func (d *document) helped() (hosts map[string]bool, err error) {
	all, main, err := d.pointers()
	if err != nil || main < 0 {
		return nil, err
	}
	hosts, docker := map[string]bool{}, d.helpers().byHost
	for _, m := range all[main].entries {
		hosts[m.key] = docker[m.key] == ownHelper && isOwn(m.value)
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

// own gives the hosts that have an entry with our own helper. The error is a
// *problem.
func (d *document) own() (hosts []string, err error) {
	all, _, err := d.pointers()
	for _, s := range all {
		for _, m := range s.entries {
			if isOwn(m.value) {
				hosts = append(hosts, m.key)
			}
		}
	}
	return hosts, err
}

// unpoint puts those entries of the hosts that have our own helper back to what was
// there, or takes them away. What it empties goes too if it was not there before. The
// error is a *problem.
func (d *document) unpoint(hosts []string, was record) error {
	all, _, err := d.pointers()
	if err != nil {
		return err
	}
	ours := setOf(hosts)
	for _, s := range slices.Backward(all) { // so that the indexes of those to come stay right
		var kept object
		changed := false
		for _, m := range s.entries {
			if ours[m.key] && isOwn(m.value) {
				changed = true
				helper, there := was[m.key]
				if !there {
					continue
				}
				m.value = quoted(helper)
			}
			kept = append(kept, m)
		}
		switch {
		case !changed:
		case len(kept) == 0 && was == nil:
			d.deleteTop(s.index)
		default:
			d.top[s.index].value = kept.render(1)
		}
	}
	return nil
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
