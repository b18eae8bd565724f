package config

import (
	"cmp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxTargets is more than a host can have, and few enough to compare each with each.
const maxTargets = 100

// targetName is what a name may be: it is a label of metrics and a word in logs.
var targetName = Matching(`^[a-z0-9][a-z0-9_.-]{0,63}$`, "is not a name",
	"lower-case letters, digits, dots, hyphens and underscores, at most 64")

// draft is a target on its way. One that is wrong keeps its name, so that the
// registries that use it are not reported as well.
type draft struct {
	Target
	block      Block
	at, nameAt value
	good       bool // nothing was reported
}

func (ks Kinds) field(to *value) Field {
	return raw("targets", "Where logins go. Default: "+ks.defaultNames()+".", to, shape{form: aList, least: 1, most: maxTargets, kinds: ks})
}

// defaultNames says what a file without targets has.
func (ks Kinds) defaultNames() string {
	var ones []string
	for _, k := range ks {
		if k.Default {
			ones = append(ones, "one "+k.Type)
		}
	}
	return enumerate(ones, "and")
}

// decode reads the list of targets, if there is one.
func (ks Kinds) decode(block value) []draft {
	if !block.written() {
		return ks.defaults()
	}
	list, ok := block.list("- type: " + ks[0].Type)
	if !ok {
		return nil
	}
	if len(list) == 0 {
		block.report("is an empty list; write a target, or remove it for %s", ks.defaultNames())
	}
	if len(list) > maxTargets {
		list[maxTargets].report("is one of %d targets; write %d at most", len(list), maxTargets)
		list = list[:maxTargets]
	}
	drafts := make([]draft, len(list))
	for i, v := range list {
		drafts[i] = ks.decodeTarget(v)
	}
	nameAll(drafts)
	refuseDoubles(drafts)
	return drafts
}

// defaults are the targets of a file that names none.
func (ks Kinds) defaults() []draft {
	var drafts []draft
	for _, k := range ks {
		if k.Default {
			drafts = append(drafts, draft{Target: Target{k.Type, k.Type, k.Read(&Block{})}})
		}
	}
	return drafts
}

// checkHosts has a target's kind say what is wrong with it for the hosts that it is to hold.
func (t *draft) checkHosts(grants []Grant) {
	checker, ok := t.Options.(HostChecker)
	if !ok {
		return
	}
	var its []Grant
	for _, g := range grants {
		g.Hosts = slices.DeleteFunc(slices.Clone(g.Hosts), func(h Host) bool { return !slices.Contains(h.Targets, t.Name) })
		if len(g.Hosts) > 0 {
			its = append(its, g)
		}
	}
	checker.CheckHosts(&t.block, its)
}

// nameAll sees that names are unique, and names the targets that have none
// after their type, numbered where it repeats.
func nameAll(drafts []draft) {
	line := map[string]int{}
	for _, t := range drafts {
		if t.Name == "" {
			continue
		}
		if before, twice := line[t.Name]; twice {
			t.nameAt.report("%q is the name of the target in line %d too; write another", t.Name, before)
		}
		line[t.Name] = t.nameAt.node.Line
	}
	next := map[string]int{} // type to the number to try
	for i := range drafts {
		t := &drafts[i]
		for t.Name == "" {
			name := t.Type
			if next[t.Type]++; next[t.Type] > 1 {
				name += "-" + strconv.Itoa(next[t.Type])
			}
			if _, taken := line[name]; !taken {
				t.Name, line[name] = name, t.at.node.Line
			}
		}
	}
}

// refuseDoubles refuses two targets, of whatever kinds, that would write to one place.
func refuseDoubles(drafts []draft) {
	line := map[string]int{}
	for _, t := range drafts {
		if !t.good {
			continue
		}
		place := t.Options.Place()
		if before, twice := line[place]; twice {
			t.at.report("is the same place as the target in line %d; remove one of the two", before)
		}
		line[place] = t.at.node.Line
	}
}

func (ks Kinds) decodeTarget(v value) draft {
	before := len(v.d.problems)
	t := draft{at: v, nameAt: v}
	var ok bool
	if t.Type, ok = ks.typeOf(v); !ok {
		if name, ok := v.peek("name"); ok {
			t.Name = name.node.Value
		}
		return t
	}
	k := ks[slices.IndexFunc(ks, func(k Kind) bool { return k.Type == t.Type })]
	t.block = Block{at: v, fields: t.fields(k)}
	t.Options = k.Read(&t.block)
	if name, ok := t.block.keys["name"]; ok {
		t.nameAt = name
	}
	t.good = len(v.d.problems) == before
	return t
}

// fields are those that every kind has.
func (t *draft) fields(k Kind) []Field {
	return []Field{
		{"type", k.Doc, shape{text: OneOf(k.Type)}, func(value) bool { return true }}, // read before
		String("name", "Default: the type, numbered where it repeats.", &t.Name, targetName),
	}
}

// typeOf reads the type of a target before the rest, as the other keys depend
// on it. One that is not known is returned as it was read, or as "target".
func (ks Kinds) typeOf(v value) (typ string, ok bool) {
	if v.node.Kind != yaml.MappingNode {
		ks[0].Read(&Block{at: v, fields: new(draft).fields(ks[0])}) // says so
		return "target", false
	}
	var types, lines []string
	for _, k := range ks {
		types, lines = append(types, k.Type), append(lines, "type: "+k.Type)
	}
	at, ok := v.peek("type")
	if !ok {
		v.report("has no type; write %s", enumerate(lines, "or"))
		return "target", false
	}
	if typ, ok = at.text(OneOf(types...)); ok {
		return typ, true
	}
	return cmp.Or(at.node.Value, "target"), false
}

// peek returns the value of a key in a mapping of which nothing is known yet.
func (v value) peek(key string) (value, bool) {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return v.child(key, v.node.Content[i+1]), true
		}
	}
	return value{}, false
}
