package survey

import (
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// want is a registry that the host should be logged in to.
type want struct {
	registry registry.Registry // without an account: the identity's own
	profile  string            // "" for the default
	decided  bool              // a command that logs in says which profile
	note     string            // what a person should know of it
	at       []Place
}

// fallbackRegion stands where nothing says which.
const fallbackRegion = "us-east-1"

// wants decides what to be logged in to, and as whom.
func (s *Survey) wants() []want {
	p := &plan{Survey: s}
	for _, m := range s.Mentions {
		if m.By != ByImage {
			p.find(m.Registry).from(m.At)
		}
	}
	habits := slices.Clone(s.Habits)
	slices.SortStableFunc(habits, func(a, b Habit) int { return a.rank() - b.rank() })
	for _, h := range habits {
		for _, c := range h.Commands {
			p.command(h, c)
		}
	}
	if len(p.all) == 0 {
		for _, m := range s.Mentions {
			p.find(m.Registry).from(m.At)
		}
	}
	if len(p.all) == 0 {
		p.bare()
	}
	for _, w := range p.all {
		if !w.decided {
			var note string
			w.profile, note = s.profileFor(w.registry)
			w.note = strings.TrimSpace(w.note + " " + note)
		}
	}
	all := make([]want, len(p.all))
	for i, w := range p.all {
		all[i] = *w
	}
	return all
}

// rank has root's first: the first one decides.
func (h Habit) rank() int {
	if h.User == "root" {
		return 0
	}
	return 1
}

type plan struct {
	*Survey
	all []*want
}

// find gives the want for a registry, a new one if need be.
func (p *plan) find(r registry.Registry) *want {
	for _, w := range p.all {
		if w.registry == r {
			return w
		}
	}
	w := &want{registry: r}
	p.all = append(p.all, w)
	return w
}

func (w *want) from(at Place) {
	if !slices.Contains(w.at, at) {
		w.at = append(w.at, at)
	}
}

// decide notes the profile that a command logs in with; the first one counts.
func (w *want) decide(profile string, at Place) {
	if !w.decided {
		w.profile, w.decided = profile, true
	}
	w.from(at)
}

// command notes what a habit logs in to.
func (p *plan) command(h Habit, c Command) {
	at := h.At
	if h.Script != "" {
		at = Place{h.Script, c.First}
	} else if h.Kind == Script {
		at.Line = c.First
	}
	profile, note := c.Profile, (*want).decide
	if h.Weak {
		profile, note = "", func(w *want, _ string, at Place) { w.from(at) }
	}
	switch {
	case len(c.Registries) > 0:
		for _, r := range c.Registries {
			note(p.find(r), profile, at)
		}
	case c.Public:
		note(p.find(registry.Registry{Public: true}), profile, at)
	case c.Region != "":
		results := p.resultsOf(h, c.Region)
		for _, r := range results {
			note(p.find(r), profile, at)
		}
		if len(results) == 0 {
			note(p.own(c.Region, profile), profile, at)
		}
	}
}

// resultsOf gives the registries that a command whose registry cannot be made out
// may have logged in to: those under auths of the same user, in its region.
func (p *plan) resultsOf(h Habit, region string) []registry.Registry {
	var all []registry.Registry
	for _, m := range p.Mentions {
		if m.By == ByLogin && m.Registry.Region == region && (h.User == "" || m.User == h.User) && !slices.Contains(all, m.Registry) {
			all = append(all, m.Registry)
		}
	}
	return all
}

// own is the registry of the identity's own account, which the instance knows of
// its own.
func (p *plan) own(region, profile string) *want {
	r := registry.Registry{Region: region}
	if i := p.AWS.Instance; i != nil && profile == "" && i.Role != "" {
		r.Account = i.Account
	}
	if r.Account != "" {
		return p.find(r)
	}
	for _, w := range p.all { // two profiles may have two own accounts
		if w.registry == r && w.profile == profile {
			return w
		}
	}
	w := &want{registry: r, profile: profile}
	p.all = append(p.all, w)
	return w
}

// bare is for a host on which nothing names a registry.
func (p *plan) bare() {
	region, note := p.defaultRegion()
	w := p.own(region, p.AWS.Profile)
	w.note = note
}

// defaultRegion is the region that the SDK would take, in its order.
func (s *Survey) defaultRegion() (region, note string) {
	if s.AWS.Region != "" {
		return s.AWS.Region, "The region is that of AWS_REGION."
	}
	name := s.AWS.Profile
	if name == "" {
		name = "default"
	}
	for _, p := range s.AWS.Profiles {
		if p.Name == name && p.Region != "" {
			return p.Region, "The region is that of the profile " + name + " in ~" + p.User + "/.aws."
		}
	}
	if i := s.AWS.Instance; i != nil && i.Region != "" {
		return i.Region, "The region is that of this instance."
	}
	return fallbackRegion, "Nothing on this host says which region: write yours."
}

// profileFor finds the profile for a registry that no command names: the only one
// with a role in the registry's account, unless the default is in that account
// itself, else that of the environment.
func (s *Survey) profileFor(r registry.Registry) (name, note string) {
	var names []string
	for _, p := range s.AWS.Profiles {
		if p.Account == r.Account && r.Account != "" && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	i := s.AWS.Instance
	switch {
	case len(names) != 1, names[0] == "default", i != nil && i.Role != "" && i.Account == r.Account:
		if s.AWS.Profile != "" {
			note = "The profile is that of AWS_PROFILE."
		}
		return s.AWS.Profile, note
	}
	return names[0], "The role of profile " + names[0] + " is in this account."
}

// entry is one element of registries.
type entry struct {
	profile           string
	accounts, regions []string // no accounts: the identity's own
	host              string   // instead of both: a FIPS or dual-stack name
	public            bool
	note              string
	at                []Place
}

// entries puts together what one entry can say: of one identity, the accounts
// that share a region, and then the regions that share accounts.
func entries(wants []want) []entry {
	var all []entry
	for _, w := range wants {
		r := w.registry
		e := entry{profile: w.profile, note: w.note, at: w.at}
		switch {
		case r.Public && !r.DualStack:
			e.public = true
		case r.Public, r.FIPS, r.DualStack:
			e.host = r.Host()
		default:
			e.regions = []string{r.Region}
			if r.Account != "" {
				e.accounts = []string{r.Account}
			}
		}
		all = append(all, e)
	}
	all = merge(all, func(a, b *entry) bool {
		return len(a.accounts) > 0 && len(b.accounts) > 0 && slices.Equal(a.regions, b.regions)
	})
	all = merge(all, func(a, b *entry) bool {
		return len(a.regions) > 0 && len(b.regions) > 0 && slices.Equal(a.accounts, b.accounts)
	})
	slices.SortStableFunc(all, func(a, b entry) int {
		if d := a.rank() - b.rank(); d != 0 {
			return d
		}
		return strings.Compare(a.profile, b.profile)
	})
	return all
}

// rank has the private ones first.
func (e entry) rank() int {
	switch {
	case e.public:
		return 2
	case e.host != "":
		return 1
	}
	return 0
}

// merge puts entries of one identity into the first that belongs together with them.
func merge(from []entry, together func(a, b *entry) bool) []entry {
	var all []entry
next:
	for _, e := range from {
		for i := range all {
			if a := &all[i]; a.profile == e.profile && together(a, &e) {
				a.accounts, a.regions = union(a.accounts, e.accounts), union(a.regions, e.regions)
				if !strings.Contains(a.note, e.note) {
					a.note = strings.TrimSpace(a.note + " " + e.note)
				}
				a.at = slices.Clone(a.at)
				for _, p := range e.at {
					if !slices.Contains(a.at, p) {
						a.at = append(a.at, p)
					}
				}
				continue next
			}
		}
		all = append(all, e)
	}
	return all
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
