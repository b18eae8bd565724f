package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ecr-refreshd/internal/config"
	kinds "ecr-refreshd/internal/targets"
)

func TestFleetIsWhatItsConfigurationLeadsTo(t *testing.T) {
	tests := []struct {
		name          string
		hosts, grants int
		engine        string
		targets       int
	}{
		{name: "one host", hosts: 1, grants: 1, engine: "unix:///run/x.sock", targets: 2},
		{name: "a hundred", hosts: 100, grants: 20, engine: "unix:///run/x.sock", targets: 2},
		{name: "a thousand without an engine", hosts: 1000, grants: 20, targets: 1},
		{name: "two thousand", hosts: 2000, grants: 20, engine: "unix:///run/x.sock", targets: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := fleetOf(tt.hosts)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "config.yaml")
			text := f.config("http://127.0.0.1:1", []string{"/var/x/config.json"}, tt.engine, "/var/x/socket")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(path, kinds.Kinds)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range c.Grants {
				for _, h := range g.Hosts {
					got = append(got, h.Name)
				}
			}
			want := f.names()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || len(want) != tt.hosts || f.hosts() != tt.hosts {
				t.Errorf("got %d hosts, want the %d of the fleet, %d", len(got), len(want), tt.hosts)
			}
			if len(c.Grants) != tt.grants || f.grants() != tt.grants || len(c.Targets) != tt.targets || targets(tt.engine) != tt.targets {
				t.Errorf("got %d grants in %d targets, want %d in %d", len(c.Grants), len(c.Targets), tt.grants, tt.targets)
			}
		})
	}
}

func TestFleetRefusesANumberThatDoesNotSpread(t *testing.T) {
	for _, n := range []int{-20, 0, 2, 30} {
		if f, err := fleetOf(n); err == nil {
			t.Errorf("%d hosts give %+v, want an error", n, f)
		}
	}
}

func TestSmallerFleetsArePartOfTheLargest(t *testing.T) {
	largest, err := fleetOf(slices.Max(sizes))
	if err != nil {
		t.Fatal(err)
	}
	all := largest.names()
	for _, n := range append(slices.Clone(sizes), manyHosts) {
		f, err := fleetOf(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range f.names() {
			if !slices.Contains(all, name) {
				t.Errorf("%d hosts: %q is not served", n, name)
			}
		}
	}
}

// Without an engine and without root, this is all of the benchmark but the clients.
func TestDaemonsFirstRoundIsMeasured(t *testing.T) {
	dir := t.TempDir()
	built := programsIn(dir)
	if err := built.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	largest, err := fleetOf(20)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSite(t.Context(), dir, built, largest)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r, err := s.round(t.Context(), 20, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.took <= 0 || r.daemon <= 0 || r.engine != 0 {
		t.Errorf("got %+v, want time and CPU of the daemon alone", r)
	}
	if n := s.aws.CallCount("ecr:GetAuthorizationToken"); n != largest.grants() {
		t.Errorf("AWS was asked %d times, want once for each of %d grants", n, largest.grants())
	}
}
