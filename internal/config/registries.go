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
	for _, v := range entries {
		x := entry{value: v, aws: p.base.copy()}
		b := Block{at: v}
		if b.Read(x.fields()...); b.keys == nil {
			continue
		}
		x.targets = p.selection(x.selected)
		roles = roles || x.aws.hasRole()
		if at, ok := x.own["external_id"]; ok && x.aws.id.ExternalID != "" && !x.aws.hasRole() {
			at.needsRole()
		}
		switch {
		case len(v.node.Content) == 0:
			v.report("is empty; write region, host or public")
		case !b.Good("public"):
		case x.isPublic:
			p.public(x)
		case x.pastedHost.written():
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
	// As written; what they say depends on each other.
	region, regions, account, accounts, pastedHost, hosts, public, selected value

	isPublic bool
	aws      block            // over the common block
	own      map[string]value // the keys of its own aws block
	targets  []string
	allow    Allow
}

func (x *entry) fields() []Field {
	public := Bool("public", "true for ECR Public.", &x.isPublic)
	read := public.read
	public.read = func(v value) bool { x.public = v; return read(v) }
	return []Field{
		raw("region", "An AWS region.", &x.region, shape{text: regionKind}),
		raw("regions", "Several regions.", &x.regions, shape{form: aList, least: 1, text: regionKind}),
		raw("account", "12 digits, always quoted.", &x.account, shape{text: accountKind}),
		raw("accounts", "Several accounts. Without any, it is the identity's own.", &x.accounts, shape{form: aList, least: 1, text: accountKind}),
		raw("host", "The host name of an ECR registry, instead of account and region.", &x.pastedHost, shape{text: hostKind}),
		raw("hosts", "Further names of this one registry: CNAMEs, proxies, host:port.", &x.hosts, shape{form: aList, least: 1, text: furtherKind}),
		public,
		x.aws.field(&x.own),
		raw("targets", "Names of the targets that get these logins. Default: all.", &x.selected, shape{form: aList, least: 1, text: selectedKind}),
		x.allow.field(),
	}
}

// refuse reports values that do not go with the key that says what the entry is.
func (x entry) refuse(with string, others ...value) {
	for _, v := range others {
		if v.written() {
			v.report("does not go with %s; remove one of the two", with)
		}
	}
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

var selectedKind = Text{Want: "the name of a target"}

// selection gives the names of the targets of an entry: all, unless it names some.
func (p *planner) selection(v value) []string {
	if !v.written() {
		return p.targets
	}
	var names []string
	items, _ := v.texts(selectedKind, "[docker-config]")
	for _, i := range items {
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
	x.refuse("public: true", x.pastedHost, x.account, x.accounts, x.region, x.regions)
	p.planPublic(x, x.public, nil)
}

// planPublic plans ECR Public under the given name, or under all its names.
func (p *planner) planPublic(x entry, at value, names []string) {
	// The API of ECR Public is another one: an endpoint for ECR is not for it.
	if _, ok := x.own["endpoint_url"]; !ok {
		x.aws.id.EndpointURL = ""
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
	x.refuse("host", x.account, x.accounts, x.region, x.regions)
	at := x.pastedHost
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
		if f, ok := x.own["fips"]; ok {
			f.report("is false, and host is a FIPS name; remove fips, or write the host name without -fips")
		}
		x.aws.id.FIPS, x.aws.at["fips"] = true, at
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
	accounts, okAccounts := oneOrSeveral(x.account, x.accounts, "account", accountKind, `["111122223333"]`)
	regions, okRegions := oneOrSeveral(x.region, x.regions, "region", regionKind, "[us-east-1]")
	if okRegions && len(regions) == 0 {
		x.report("has no region; write region, host or public: true")
		return
	}
	if !okAccounts || !okRegions {
		return
	}
	if v := x.hosts; v.written() && max(1, len(accounts))*len(regions) > 1 {
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
func variantsOf(id login.Identity) []registry.Registry {
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

// oneOrSeveral reads the value of a key or that of its plural. Neither gives no items.
func oneOrSeveral(single, several value, one string, k Text, example string) (items []item, ok bool) {
	switch {
	case single.written() && several.written():
		several.report("does not go with %s; write one of the two", one)
		return nil, false
	case single.written() && single.isList():
		single.report("is a list; write %s, or %ss: with the list", k.Want, one)
		return nil, false
	case single.written():
		text, ok := single.text(k)
		return []item{{text, single}}, ok
	case several.written():
		return several.texts(k, example)
	}
	return nil, true
}
