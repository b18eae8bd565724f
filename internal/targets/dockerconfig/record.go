package dockerconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// record is what credHelpers was before our entries came: the helpers that these
// overrule, by host. Nil means that there was no credHelpers at all. docker drops
// from its file what it does not know, so the record is a file of its own beside it, in
// the same form: {"credHelpers": {"HOST": "HELPER"}}. It is written before the entry
// that makes it necessary and goes after the last of our entries, so that a kill at any
// moment leaves it at worst where it is of no use.
//
// It lies in a home, so it may be anybody's invention. All that it decides is to which
// of that account's helpers an entry of ours in that account's file goes back.
type record map[string]string

// recordName is the name of the record of the file with this name.
func recordName(name string) string { return "." + name + ".ecr-refreshd.json" }

// errNoRecord marks JSON that cannot have been written as a record.
var errNoRecord = &problem{text: "not what was written there"}

// record reads the document as one. The error is a *problem.
func (d *document) record() (record, error) {
	var r record
	for _, m := range d.top {
		if m.key != credHelpers {
			return nil, errNoRecord
		}
		entries, err := parseObject(m.value)
		if err != nil {
			return nil, shapeError(fmt.Sprintf("the value of %q", m.key))
		}
		r = make(record, len(entries))
		for _, e := range entries {
			var helper *string
			if json.Unmarshal(e.value, &helper) != nil || helper == nil || *helper == ownHelper {
				return nil, errNoRecord
			}
			r[e.key] = *helper
		}
	}
	return r, nil
}

// object is the record as the content of its file.
func (r record) object() object {
	if r == nil {
		return object{}
	}
	entries := object{}
	for _, host := range slices.Sorted(maps.Keys(r)) {
		entries = append(entries, member{quoted(host), host, quoted(r[host])})
	}
	return object{{quoted(credHelpers), credHelpers, entries.render(1)}}
}

// remember brings the file's record to what edit makes of it, and returns it. Nil
// needs no file. The error names the record.
func (s *session) remember(ctx context.Context, edit func(record) record) (now record, err error) {
	file := &session{rule: s.rule, dirfd: s.dirfd, name: recordName(s.name), locked: s.locked, within: true}
	if err = file.recover(ctx); err == nil {
		_, err = file.update(ctx, func(d *document) (bool, error) {
			was, err := d.record()
			if err != nil {
				return false, err
			}
			now = edit(maps.Clone(was))
			if maps.Equal(now, was) && (now == nil) == (was == nil) {
				return false, nil
			}
			d.top = now.object()
			return true, nil
		})
	}
	if err != nil {
		return nil, ofRecord(file.name, err)
	}
	if now == nil && s.locked { // otherwise another process may be about to write it
		unlinkat(s.dirfd, file.name)
	}
	return now, nil
}

// ofRecord says that err is about the record with this name. What is wrong with its content
// has a hint of its own; the rest concerns the file too.
func ofRecord(name string, err error) error {
	what := fmt.Sprintf("the record %q beside it, of what was there before", name)
	if _, known := errors.AsType[*problem](err); !known || errors.Is(err, errRestless) || errors.Is(err, errDisplaced) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%w: %w", &problem{what, fmt.Sprintf("correct or delete the file %s beside {path}; without it, undo takes our entries away and puts nothing back in their place", name)}, err)
}

// overrule is the record for when the hosts of a document, not yet ours, are pointed to
// our helper. As long as nothing in the document is ours, what an older record says
// is out of date.
func (d *document) overrule(hosts []string, was record) record {
	if own, _ := d.own(); len(own) == 0 {
		all, main, _ := d.pointers()
		was = nil
		if main >= 0 && all[main].entries != nil {
			was = record{}
		}
	}
	before := d.helpers().byHost
	for _, h := range hosts {
		helper, there := before[h]
		switch {
		case there && helper == ownHelper: // to docker only, so far
		case !there:
			delete(was, h)
		case was == nil:
			was = record{h: helper}
		default:
			was[h] = helper
		}
	}
	return was
}
