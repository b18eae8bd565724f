package dockerconfig

import (
	"encoding/json"
	"slices"
)

// change is what another program wrote and we displaced: the version that it
// wrote, and the one that it started from. An empty base stands for an unknown
// one.
type change struct {
	base, version object
	// file holds the version, too, in case this process ends before it is in place
	// again; "" is none.
	file string
}

// newChange takes the two versions of a file apart.
func newChange(base, version []byte) (change, error) {
	b, err := parseDocument(base)
	if err != nil {
		return change{}, err
	}
	v, err := parseDocument(version)
	if err != nil {
		return change{}, err
	}
	return change{base: b.top, version: v.top}, nil
}

// mergeDepth is how deep two programs' changes are told apart: the keys of the
// file, and the keys within each of them, which are hosts, plugins and the like.
const mergeDepth = 2

// replay makes the change again on o. Where o has another value than the base,
// somebody has decided since, and the newer decision stands.
func (c change) replay(o object) object { return replay(o, c.base, c.version, mergeDepth) }

func replay(o, base, version object, depth int) object {
	o = slices.Clone(o)
	inO, inBase, inVersion := o.index(), base.index(), version.index()
	for i, m := range version {
		if inVersion[m.key] != i {
			continue // a double, of which the last counts
		}
		was, is := base.at(inBase, m.key), o.at(inO, m.key)
		if sameJSON(was, m.value) || sameJSON(is, m.value) {
			continue
		}
		if inner, ok := replayInner(is, was, m.value, depth); ok {
			o[inO[m.key]].value = inner
			continue
		}
		switch {
		case !sameJSON(is, was): // decided since
		case is == nil:
			o = append(o, m)
		default:
			o[inO[m.key]].value = m.value
		}
	}
	gone := map[string]bool{}
	for _, m := range base {
		if _, kept := inVersion[m.key]; !kept && sameJSON(o.at(inO, m.key), m.value) {
			gone[m.key] = true
		}
	}
	return slices.DeleteFunc(o, func(m member) bool { return gone[m.key] })
}

// at gives the value that the index has for the key, nil when it has none.
func (o object) at(index map[string]int, key string) json.RawMessage {
	if i, ok := index[key]; ok {
		return o[i].value
	}
	return nil
}

// replayInner merges within one key, where all the versions have an object.
func replayInner(is, was, version []byte, depth int) ([]byte, bool) {
	if depth == 1 || is == nil {
		return nil, false
	}
	if was == nil || isNull(was) {
		was = []byte("{}")
	}
	inner, err := parseObject(is)
	if err != nil {
		return nil, false
	}
	old, err := parseObject(was)
	if err != nil {
		return nil, false
	}
	changed, err := parseObject(version)
	if err != nil {
		return nil, false
	}
	return replay(inner, old, changed, depth-1).render(), true
}
