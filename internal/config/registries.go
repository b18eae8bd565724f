package config

import (
	"slices"

	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
)

// maxHosts bounds what a small file can expand to: accounts times regions.
const maxHosts = 10_000

// publicRegion is where the API of ECR Public is called.
const publicRegion = "us-east-1"

// planner turns the entries of registries into grants.
type planner struct {
	base    block    // the common aws block
	targets []string // all names
	grants  []Grant
	hosts   int                // counted before they are made
	byKey   map[string]int     // Grant.Key to its index
	byName  map[string][]place // what registryName gives to where it is
}

func (p *planner) registries(v value) {
	entries, ok := v.list(smallestEntry)
	if !ok {
		return
	}
	if len(entries) == 0 {
		v.report("is an empty list; write at least one registry: %s", smallestEntry)
	}
	roles := p.base.hasRole()
	for _, e := range entries {
		keys, ok := e.mapping(registryKeys)
		if !ok {
			continue
		}
		own := decodeAWS(keys)
		merged := own.over(p.base)
		roles = roles || merged.hasRole()
		if at, ok := own.at["external_id"]; ok && own.id.ExternalID != "" && !merged.hasRole() {
			at.needsRole()
		}
		if len(e.node.Content) == 0 {
			e.report("is empty; write region, host or public")
			continue
		}
		x := entry{value: e, keys: keys, own: own, aws: merged, targets: p.selection(keys), allow: decodeAllow(keys)}
		switch public, ok := x.isPublic(); {
		case !ok:
		case public:
			p.public(x)
		case x.has("host"):
			p.pasted(x)
		default:
			p.private(x)
		}
	}
	if at, ok := p.base.at["external_id"]; ok && p.base.id.ExternalID != "" && !roles {
		at.needsRole()
	}
}

func (v value) needsRole() {
	v.report("goes with a role only, and there is none; write role_arn, or remove it")
}

// entry is one element of registries.
type entry struct {
	value
	keys     map[string]value
	own, aws block // as written in the entry, and over the common block
	targets  []string
	allow    Allow
}

func (x entry) has(key string) bool { _, ok := x.keys[key]; return ok }

// refuse reports keys that do not go with the one that says what the entry is.
func (x entry) refuse(with string, keys ...string) {
	for _, key := range keys {
		if v, ok := x.keys[key]; ok {
			v.report("does not go with %s; remove one of the two", with)
		}
	}
}

func (x entry) isPublic() (is, ok bool) {
	v, written := x.keys["public"]
	if !written {
		return false, true
	}
	return v.boolean()
}

// room counts n more hosts, and reports at where that is too many.
func (p *planner) room(n int, at value) bool {
	before := p.hosts
	p.hosts += n
	if before <= maxHosts && p.hosts > maxHosts {
		at.report("makes more than %d host names, with those above it; write fewer accounts, regions or hosts", maxHosts)
	}
	return p.hosts <= maxHosts
}

// selection gives the names of the targets of an entry: all, unless it names some.
func (p *planner) selection(keys map[string]value) []string {
	v, ok := keys["targets"]
	if !ok {
		return p.targets
	}
	var names []string
	for _, i := range v.texts(Text{Want: "the name of a target"}, "[docker-config]") {
		switch {
		case len(p.targets) == 0: // something else is wrong with targets
		case !slices.Contains(p.targets, i.text):
			i.at.report("%s is not the name of a target; %s", i.at.quote(i.text), instead(i.text, p.targets))
		case !slices.Contains(names, i.text):
			names = append(names, i.text)
		}
	}
	return names
}

// public plans ECR Public.
func (p *planner) public(x entry) {
	x.refuse("public: true", "host", "account", "accounts", "region", "regions")
	p.planPublic(x, x.keys["public"], nil)
}

// planPublic plans ECR Public under the given name, or under all its names.
func (p *planner) planPublic(x entry, at value, names []string) {
	// The API of ECR Public is another one: an endpoint for ECR is not for it.
	if _, ok := x.own.at["endpoint_url"]; !ok {
		x.aws.drop("endpoint_url")
	}
	if f, ok := x.aws.at["fips"]; ok && x.aws.id.FIPS {
		at.report("has no FIPS endpoint, and fips is true (line %d); write aws: {fips: false} in this entry", f.node.Line)
		return
	}
	x.checkEndpoints()
	x.checkRoles(at, publicRegion)
	if names == nil {
		names = []string{registry.Registry{Public: true}.Host()}
		if x.aws.id.DualStack {
			names = append(names, registry.Registry{Public: true, DualStack: true}.Host())
		}
	}
	g := Grant{Identity: x.aws.identity(), Region: publicRegion, Public: true}
	var hosts []planned
	for _, n := range names {
		hosts = append(hosts, x.host(n, "", publicRegion, at))
	}
	p.add(g, append(hosts, p.further(x, "", publicRegion, true)...))
}

// pasted plans a registry that is given by its host name.
func (p *planner) pasted(x entry) {
	x.refuse("host", "account", "accounts", "region", "regions")
	at := x.keys["host"]
	name, ok := at.text(hostKind)
	if !ok {
		return
	}
	r, _ := registry.Parse(name) // hostKind has seen that it is one
	if r.Public {
		p.planPublic(x, at, []string{name})
		return
	}
	if r.FIPS && !x.aws.id.FIPS {
		if f, ok := x.own.at["fips"]; ok {
			f.report("is false, and host is a FIPS name; remove fips, or write the host name without -fips")
		}
		x.aws = block{id: Identity{FIPS: true}, at: map[string]value{"fips": at}}.over(x.aws)
	}
	x.checkEndpoints()
	x.checkRoles(at, r.Region)
	x.checkVariants(item{r.Region, at}, variantsOf(x.aws.id))
	hosts := []planned{x.host(name, r.Account, r.Region, at)}
	p.add(Grant{Identity: x.aws.identity(), Region: r.Region}, append(hosts, p.further(x, r.Account, r.Region, false)...))
}

// private plans accounts times regions.
func (p *planner) private(x entry) {
	x.checkEndpoints()
	accounts, okAccounts := x.oneOrMore("account", "accounts", accountKind, `["111122223333"]`)
	regions, okRegions := x.oneOrMore("region", "regions", regionKind, "[us-east-1]")
	if okRegions && len(regions) == 0 {
		x.report("has no region; write region, host or public: true")
		return
	}
	if !okAccounts || !okRegions {
		return
	}
	if v, ok := x.keys["hosts"]; ok && max(1, len(accounts))*len(regions) > 1 {
		v.report("goes with one account and one region; write that registry as an entry of its own")
		return
	}
	variants := variantsOf(x.aws.id)
	if !p.room(max(1, len(accounts))*len(regions)*len(variants), x.value) {
		return
	}
	for _, region := range regions {
		x.checkRoles(region.at, region.text)
		if !x.checkVariants(region, variants) {
			continue
		}
		of := accounts
		if len(of) == 0 {
			of = []item{{login.OwnAccount, region.at}}
		}
		var hosts []planned
		for _, account := range of {
			for _, r := range variants {
				r.Account, r.Region = account.text, region.text
				hosts = append(hosts, x.host(r.Host(), r.Account, r.Region, account.at))
			}
		}
		// There are further names only if this is the one registry of the entry.
		hosts = append(hosts, p.further(x, of[0].text, region.text, false)...)
		p.add(Grant{Identity: x.aws.identity(), Region: region.text}, hosts)
	}
}

func (x entry) host(name, account, region string, at value) planned {
	return planned{Host{Name: name, Account: account, Region: region, Targets: x.targets, Allow: x.allow, Line: at.node.Line}, at}
}

// variantsOf gives the forms of host names that belong to an identity: people
// may use any of them, so all are kept logged in.
func variantsOf(id Identity) []registry.Registry {
	variants := []registry.Registry{{}}
	if id.FIPS {
		variants = append(variants, registry.Registry{FIPS: true})
	}
	if id.DualStack {
		for _, v := range variants {
			v.DualStack = true
			variants = append(variants, v)
		}
	}
	return variants
}

// oneOrMore reads a key or its plural. Neither gives no items.
func (x entry) oneOrMore(one, more string, k Text, example string) (items []item, ok bool) {
	single, hasOne := x.keys[one]
	several, hasMore := x.keys[more]
	switch {
	case hasOne && hasMore:
		several.report("does not go with %s; write one of the two", one)
		return nil, false
	case hasOne && single.isList():
		single.report("is a list; write %s, or %s: with the list", k.Want, more)
		return nil, false
	case hasOne:
		text, ok := single.text(k)
		return []item{{text, single}}, ok
	case hasMore:
		items = several.texts(k, example)
		return items, len(items) > 0 && len(items) == len(several.node.Content)
	}
	return nil, true
}
