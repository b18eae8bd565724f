package dockerconfig

import (
	"encoding/json"
	"strings"
)

// ownHelper is the credential helper that answers from the running daemon, so
// that it hides nothing.
const ownHelper = "ecr-refreshd"

// helpers is what a config.json says about credential helpers, as docker
// reads it: credHelpers by exact host, and credsStore for all the others. An empty
// name under credHelpers sends docker back to "auths", past credsStore too.
type helpers struct {
	store  string
	byHost map[string]string
}

// helpers collects them. docker matches the two keys in any letter case, and of
// doubles the last counts; a null under credHelpers undoes those before it. What docker
// cannot read counts for nothing.
func (d *document) helpers() helpers {
	h := helpers{byHost: map[string]string{}}
	for _, m := range d.top {
		switch {
		case strings.EqualFold(m.key, "credsStore") && !isNull(m.value):
			_ = json.Unmarshal(m.value, &h.store)
		case strings.EqualFold(m.key, credHelpers) && isNull(m.value):
			clear(h.byHost)
		case strings.EqualFold(m.key, credHelpers):
			o, _ := parseObject(m.value)
			for _, e := range o {
				var helper string
				if json.Unmarshal(e.value, &helper) == nil {
					h.byHost[e.key] = helper
				}
			}
		}
	}
	return h
}
