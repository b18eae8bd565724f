package config

import (
	"cmp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// The types of targets.
const (
	engineType       = "engine"
	dockerConfigType = "docker-config"
)

// maxTargets is more than a host can have, and few enough to compare each with each.
const maxTargets = 100

var targetTypes = []string{engineType, dockerConfigType}

// targetName is what a name may be: it is a label of metrics and a word in logs.
var targetName = matching(`^[a-z0-9][a-z0-9_.-]{0,63}$`, "is not a name",
	"lower-case letters, digits, dots, hyphens and underscores, at most 64")

// draft is a target on its way. One that is wrong keeps its name, so that the
// registries that use it are not reported as well.
type draft struct {
	Target
	typ        string // as it was read
	at, nameAt value
	good       bool // nothing was reported
}

func decodeTargets(root map[string]value) []Target {
	block, ok := root["targets"]
	if !ok {
		return []Target{
			{Name: engineType, Engine: &Engine{}},
			{Name: dockerConfigType, DockerConfig: &DockerConfig{}},
		}
	}
	list, ok := block.list("- type: engine")
	if !ok {
		return nil
	}
	if len(list) == 0 {
		block.report("is an empty list; write a target, or remove it for one engine and one docker-config")
	}
	if len(list) > maxTargets {
		list[maxTargets].report("is one of %d targets; write %d at most", len(list), maxTargets)
		list = list[:maxTargets]
	}
	drafts := make([]draft, len(list))
	for i, v := range list {
		drafts[i] = decodeTarget(v)
	}
	nameAll(drafts)
	refuseDoubles(drafts)
	targets := make([]Target, len(drafts))
	for i, t := range drafts {
		targets[i] = t.Target
	}
	return targets
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
			name := t.typ
			if next[t.typ]++; next[t.typ] > 1 {
				name += "-" + strconv.Itoa(next[t.typ])
			}
			if _, taken := line[name]; !taken {
				t.Name, line[name] = name, t.at.node.Line
			}
		}
	}
}

// refuseDoubles refuses two targets that would write to one place.
func refuseDoubles(drafts []draft) {
	line := map[any]int{}
	for _, t := range drafts {
		if !t.good {
			continue
		}
		var place any
		if t.Engine != nil {
			place = *t.Engine
		} else {
			place = *t.DockerConfig
		}
		if before, twice := line[place]; twice {
			t.at.report("is the same place as the target in line %d; remove one of the two", before)
		}
		line[place] = t.at.node.Line
	}
}

func decodeTarget(v value) draft {
	before := len(v.d.problems)
	t := draft{at: v, nameAt: v}
	var ok bool
	if t.typ, ok = typeOf(v); !ok {
		if name, ok := v.peek("name"); ok {
			t.Name = name.node.Value
		}
		return t
	}
	known := engineKeys
	if t.typ == dockerConfigType {
		known = dockerConfigKeys
	}
	keys, _ := v.mapping(known)
	if name, ok := keys["name"]; ok {
		t.nameAt = name
		t.Name, _ = name.text(targetName)
	}
	if t.typ == engineType {
		t.Engine = decodeEngine(keys)
	} else {
		t.DockerConfig = decodeDockerConfig(keys)
	}
	t.good = len(v.d.problems) == before
	return t
}

// typeOf reads the type of a target before the rest, as the other keys depend
// on it. One that is not known is given as it was read, or as "target".
func typeOf(v value) (typ string, ok bool) {
	if v.node.Kind != yaml.MappingNode {
		v.mapping(engineKeys) // says so
		return "target", false
	}
	at, ok := v.peek("type")
	if !ok {
		v.report("has no type; write type: engine or type: docker-config")
		return "target", false
	}
	if typ, ok = at.text(oneOf(targetTypes...)); ok {
		return typ, true
	}
	return cmp.Or(at.node.Value, "target"), false
}

// peek gives the value of a key in a mapping of which nothing is known yet.
func (v value) peek(key string) (value, bool) {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return v.child(key, v.node.Content[i+1]), true
		}
	}
	return value{}, false
}
