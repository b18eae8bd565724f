package daemon

import "testing"

func TestATargetGetsOnlyTheGrantsThatHaveHostsForIt(t *testing.T) {
	g := generationOf(t, `
registries:
  - {region: us-east-1, targets: [one]}
  - {region: eu-west-1}
targets:
  - {name: one, type: docker-config, path: /a/config.json}
  - {name: two, type: docker-config, path: /b/config.json}
`)
	for i, want := range []int{1, 2} {
		if got := g.renewers[i].Bindings; len(got) != want || got[0].Name != "one" || len(got[0].Hosts) != 1 {
			t.Errorf("grant %d goes to %+v", i, got)
		}
	}
}

// The status and the log tell grants apart by their names alone.
func TestGrantsThatDifferInAnEndpointHaveDifferentNames(t *testing.T) {
	g := generationOf(t, `
registries:
  - {region: us-east-1, account: "111122223333", aws: {endpoint_url: "https://a.example"}}
  - {region: us-east-1, account: "444455556666", aws: {endpoint_url: "https://b.example"}}
  - {region: us-east-1, account: "777788889999", aws: {endpoint_url: "https://c.example"}}
targets: [{type: docker-config, path: /a/config.json}]
`)
	names := make(map[string]bool)
	for _, r := range g.renewers {
		names[r.Grant.Identity] = true
	}
	if len(names) != 3 {
		t.Errorf("got %v", names)
	}
}
