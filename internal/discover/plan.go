package discover

import (
	"cmp"
	"slices"

	"ecr-refreshd/internal/registry"
)

// want is a registry that the host should be logged in to.
type want struct {
	registry registry.Registry // without an account: the identity's own
	profile  string            // "" for the default
	decided  bool              // a command that logs in says which profile
	note     string            // what a person should know of it
	at       []place
}

// plan is the wants on their way.
type plan struct {
	*host
	all []*want
}

// wants decides what to be logged in to, and as whom, in the order of the file.
func (h *host) wants() []*want {
	p := &plan{host: h}
	for _, m := range h.mentions {
		if m.user != "" {
			p.find(m.registry, "").from(m.at)
		}
	}
	jobs := slices.Clone(h.jobs)
	slices.SortStableFunc(jobs, func(a, b job) int { return when(b.user == "root") - when(a.user == "root") }) // root's decide
	for _, j := range jobs {
		for _, l := range j.logins {
			p.login(j, l)
		}
	}
	if len(p.all) == 0 {
		for _, m := range h.mentions {
			p.find(m.registry, "").from(m.at)
		}
	}
	if len(p.all) == 0 {
		region, note := h.defaultRegion()
		p.find(registry.Registry{Region: region}, "").note = note
	}
	for _, w := range p.all {
		if !w.decided {
			h.guessProfile(w)
		}
	}
	slices.SortStableFunc(p.all, func(a, b *want) int {
		r, q := a.registry, b.registry
		return cmp.Or(when(r.Public)-when(q.Public), when(!plain(r))-when(!plain(q)), cmp.Compare(a.profile, b.profile),
			cmp.Compare(r.Region, q.Region), cmp.Compare(r.Account, q.Account))
	})
	return p.all
}

// when is 1 for true, for order.
func when(is bool) int {
	if is {
		return 1
	}
	return 0
}

// plain reports whether account and region say all of a registry.
func plain(r registry.Registry) bool { return !r.Public && !r.FIPS && !r.DualStack }

// find returns the want for a registry, a new one if need be. Own accounts of two
// profiles may be two.
func (p *plan) find(r registry.Registry, profile string) *want {
	for _, w := range p.all {
		if w.registry == r && (!plain(r) || r.Account != "" || w.profile == profile) {
			return w
		}
	}
	w := &want{registry: r, profile: profile}
	p.all = append(p.all, w)
	return w
}

func (w *want) from(at place) {
	if !slices.Contains(w.at, at) {
		w.at = append(w.at, at)
	}
}

// login notes what a job logs in to, and with which profile; the first one counts.
func (p *plan) login(j job, l login) {
	registries, profile := l.registries, l.profile
	if j.weak {
		profile = ""
	}
	if len(registries) == 0 && l.region != "" {
		for _, m := range p.mentions { // its results are in the same user's config.json
			if m.user != "" && m.registry.Region == l.region && (j.user == "" || m.user == j.user) {
				registries = append(registries, m.registry)
			}
		}
		if len(registries) == 0 {
			registries = []registry.Registry{{Region: l.region}}
		}
	}
	for _, r := range registries {
		w := p.find(r, profile)
		if !j.weak && !w.decided {
			w.profile, w.decided = profile, true
		}
		w.from(place{cmp.Or(j.script, j.at.path), l.line})
	}
}

// defaultRegion is the region that the SDK would take, in its order.
func (h *host) defaultRegion() (region, note string) {
	if r := h.environment(registry.ValidRegion, "REGION"); r != "" {
		return r, "The region is that of AWS_REGION."
	}
	name := cmp.Or(h.environment(word.MatchString, "PROFILE"), "default")
	for _, p := range h.profiles {
		if p.name == name && p.region != "" {
			return p.region, "The region is that of the profile " + name + " in ~" + p.user + "/.aws."
		}
	}
	if r := h.instance.Region; r != "" {
		return r, "The region is that of this instance."
	}
	return "us-east-1", "Nothing on this host says which region: write yours."
}

// guessProfile finds the profile for a registry that no command names: the only one
// with a role in the registry's account, unless the default is in that account
// itself, else that of the environment.
func (h *host) guessProfile(w *want) {
	var names []string
	for _, p := range h.profiles {
		if p.account != "" && p.account == w.registry.Account && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	switch i := h.instance; {
	case len(names) == 1 && names[0] != "default" && (i.Role == "" || i.Account != w.registry.Account):
		w.profile, w.note = names[0], "The role of profile "+names[0]+" is in this account."
	case w.profile == "":
		w.profile = h.environment(word.MatchString, "PROFILE")
	}
}
