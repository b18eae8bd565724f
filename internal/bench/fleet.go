package main

import (
	"fmt"
	"strings"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/registry"
)

// A fleet of registries spreads over profiles times regions grants.
const (
	fleetProfiles = 5
	fleetRegions  = 4
)

// fleet is a choice of registries: all accounts of every profile, in every region.
// Smaller fleets are part of larger ones.
type fleet struct {
	profiles, regions, accounts int // accounts of each profile
}

// fleetOf gives a fleet of so many hosts, in 20 grants where there are enough.
func fleetOf(hosts int) (fleet, error) {
	const grants = fleetProfiles * fleetRegions
	switch {
	case hosts == 1:
		return fleet{1, 1, 1}, nil
	case hosts > 0 && hosts%grants == 0:
		return fleet{fleetProfiles, fleetRegions, hosts / grants}, nil
	}
	return fleet{}, fmt.Errorf("%d hosts do not spread over %d grants", hosts, grants)
}

func (f fleet) grants() int { return f.profiles * f.regions }
func (f fleet) hosts() int  { return f.grants() * f.accounts }

func region(i int) string {
	return []string{"us-east-1", "eu-west-1", "ap-southeast-2", "us-west-2", "eu-central-1", "us-east-2", "sa-east-1", "ca-central-1"}[i]
}

func profile(i int) string { return fmt.Sprintf("team%d", i+1) }

func account(profile, i int) string { return fmt.Sprintf("%d%011d", profile+1, i+1) }

// names are the host names of the fleet.
func (f fleet) names() []string {
	var names []string
	for p := range f.profiles {
		for a := range f.accounts {
			for r := range f.regions {
				names = append(names, registry.Registry{Account: account(p, a), Region: region(r)}.Host())
			}
		}
	}
	return names
}

// principals are the AWS users behind the fleet's profiles.
func (f fleet) principals() []emulator.Principal {
	var all []emulator.Principal
	for p := range f.profiles {
		who := emulator.Principal{
			AccessKeyID:     fmt.Sprintf("AKIAEMULATEDBENCH%03d", p+1),
			SecretAccessKey: fmt.Sprintf("emulated-secret-key-that-opens-nothing-%d", p+1),
			Account:         account(p, 0),
		}
		for a := 1; a < f.accounts; a++ {
			who.Opens = append(who.Opens, account(p, a))
		}
		all = append(all, who)
	}
	return all
}

// credentials is a shared credentials file with the fleet's profiles.
func (f fleet) credentials() string {
	var b strings.Builder
	for i, p := range f.principals() {
		fmt.Fprintf(&b, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profile(i), p.AccessKeyID, p.SecretAccessKey)
	}
	return b.String()
}

// config is ecr-refreshd's configuration for the fleet. An empty engine leaves
// that target out.
func (f fleet) config(endpoint string, files []string, engine, socket string) string {
	var regions []string
	for r := range f.regions {
		regions = append(regions, region(r))
	}
	var b strings.Builder
	b.WriteString("registries:\n")
	for p := range f.profiles {
		var accounts []string
		for a := range f.accounts {
			accounts = append(accounts, fmt.Sprintf("%q", account(p, a)))
		}
		fmt.Fprintf(&b, "  - accounts: [%s]\n    regions: [%s]\n    aws: {profile: %s}\n",
			strings.Join(accounts, ", "), strings.Join(regions, ", "), profile(p))
	}
	fmt.Fprintf(&b, "aws: {endpoint_url: %q}\nsocket: {path: %q}\ntargets:\n", endpoint, socket)
	for _, path := range files {
		fmt.Fprintf(&b, "  - {type: docker-config, path: %q}\n", path)
	}
	if engine != "" {
		fmt.Fprintf(&b, "  - {type: engine, host: %q}\n", engine)
	}
	return b.String()
}
