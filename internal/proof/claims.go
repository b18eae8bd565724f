package main

// claims are in the order in which a reader asks. What they say is true of the length at which the arguments run
// the test; without them it is shorter.
var claims = []claim{
	{"A thousand grants live a year of faults: no login that could have been valid is not, no expired one stays, AWS is called at most half as often again",
		"renew", "TestAYearWithFaults", []string{"-year.grants", "1000", "-year.days", "365"}},
	{"50,000 hosts that boot within a minute have their tokens within little more than ECR's quota takes (99 % of them in its time, a quarter and 5 minutes more), and never lose them",
		"renew", "TestAFleetThatBootsAtOnce", []string{"-fleet.hosts", "50000"}},
	{"With the real program, engine and command line, a pull fails only while no valid token could exist, whatever goes wrong, and all heals without a person",
		"e2e", "TestNoPullFailsInChaosWithoutACause", []string{"-chaos.for", "10m"}},
	{"No pull fails while tokens expire under it; without the daemon pulls fail",
		"e2e", "Test(NoPullFailsWhileTokensExpire|PullsFailWithoutTheDaemon)$", nil},
	{"A daemon that is killed at any moment leaves a whole file, and loses nothing older than its last millisecond",
		"targets/dockerconfig", "TestAKillAtAnyMomentLosesNothingOlder", nil},
	{"Hostile endpoints, registries, engines, commands and peers cost bounded time and memory, get no credential of another, and nothing of theirs reaches a terminal raw",
		"attacks", "Test", []string{"-ways", "many"}},
	{"What `doctor` says that a client would send is what docker, podman, regctl and helm send",
		"clientview", "Agrees", nil},
	{"Memory, descriptors and threads stay as they are over a thousand renewals of a thousand hosts, and a daemon at rest costs next to nothing",
		"bench", "Test(AThousandRenewals|ADaemonAtRest)$", []string{"-soak.renewals", "1000", "-soak.rest", "5m"}},
}
