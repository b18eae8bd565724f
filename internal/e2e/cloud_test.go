package e2e

import (
	"fmt"
	"slices"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/registry"
)

const publicHost = "public.ecr.aws"

// A cloud is the part of the emulated AWS that one test has for itself, with
// two accounts in two regions. Its principal opens the registries of both.
type cloud struct {
	number int
	addr   string // of its registries
	// tokenBytes is the least length of a password: EC2 roles get some of 6 kB.
	tokenBytes int
	others     []string // names of registries that are none of ECR's and take any good token
	closed     string   // a registry of ECR's that the principal's tokens do not open
	foreign    string   // a registry that is none of ECR's, lets everybody pull and refuses every login
}

var (
	cloudContinuity = newCloud(1).withLongTokens()
	cloudWithout    = newCloud(2)
	cloudFaults     = newCloud(3)
	cloudCrowd      = newCloud(4)
	cloudJenkins    = newCloud(5)
	cloudAttacks    = newCloud(6)
	cloudBreakage   = newCloud(7)
	cloudExitCodes  = newCloud(8)
	cloudSignals    = newCloud(9)
	cloudClients    = newCloud(10).withLongTokens()
	cloudAgent      = newCloud(11)
	cloudGets       = newCloud(12)
	cloudRules      = newCloud(13)
	cloudSystemd    = newCloud(14)
	cloudGuides     = newCloud(15)
	cloudRunner     = newCloud(16)
	cloudFleet      = newCloud(17)
	cloudLimits     = newCloud(18)
	cloudDoctor     = newCloud(19)
	cloudHealthy    = newCloud(20)
	cloudKinds      = newCloud(21)
	cloudKubelet    = newCloud(30)
	cloudPodman     = newCloud(33)
	cloudSwarm      = newCloud(41).withLongTokens()
	cloudRollback   = newCloud(42)
	cloudChaos      = newCloud(43)
	cloudStates     = newCloud(31)
	cloudPrograms   = newCloud(32)
	cloudPage       = newCloud(50)
	clouds          = []cloud{cloudContinuity, cloudWithout, cloudFaults, cloudCrowd, cloudJenkins, cloudAttacks, cloudBreakage, cloudExitCodes, cloudSignals,
		cloudClients, cloudAgent, cloudGets, cloudRules, cloudSystemd, cloudGuides, cloudRunner, cloudFleet, cloudLimits, cloudDoctor, cloudHealthy, cloudKinds, cloudKubelet,
		cloudSwarm, cloudRollback, cloudStates, cloudPrograms, cloudPodman, cloudChaos, cloudPage}
)

var regions = []string{"us-east-1", "eu-west-1"}

func newCloud(number int) cloud {
	c := cloud{
		number: number, addr: fmt.Sprintf("192.0.2.%d", 100+number), foreign: fmt.Sprintf("foreign.cloud%d.example", number),
		closed: registry.Registry{Account: fmt.Sprintf("3333%08d", number), Region: regions[0]}.Host(),
	}
	for i := range 16 {
		c.others = append(c.others, fmt.Sprintf("other%d.cloud%d.example", i, number))
	}
	return c
}

func (c cloud) withLongTokens() cloud {
	c.tokenBytes = 6000
	return c
}

// accounts are the principal's own and another one.
func (c cloud) accounts() []string {
	return []string{fmt.Sprintf("1111%08d", c.number), fmt.Sprintf("2222%08d", c.number)}
}

// hosts are the private registries, those of the same region beside each other.
func (c cloud) hosts() []string {
	var hosts []string
	for _, region := range regions {
		for _, account := range c.accounts() {
			hosts = append(hosts, registry.Registry{Account: account, Region: region}.Host())
		}
	}
	return hosts
}

func (c cloud) profile() string { return fmt.Sprintf("cloud-%d", c.number) }

func (c cloud) principal() emulator.Principal {
	return emulator.Principal{
		AccessKeyID:     fmt.Sprintf("AKIATESTEDCLOUD%05d", c.number),
		SecretAccessKey: fmt.Sprintf("secret-key-of-cloud-%d-that-must-not-be-seen", c.number),
		Account:         c.accounts()[0],
		Opens:           c.accounts()[1:],
	}
}

// deniedProfile is of a principal that may do nothing.
func (c cloud) deniedProfile() string { return c.profile() + "-denied" }

func (c cloud) denied() emulator.Principal {
	p := c.principal()
	p.AccessKeyID = fmt.Sprintf("AKIATESTEDDENIED%04d", c.number)
	p.Denied = []string{"ecr:GetAuthorizationToken", "ecr-public:GetAuthorizationToken"}
	return p
}

func (c cloud) options() emulator.Options {
	return emulator.Options{Principals: []emulator.Principal{c.principal(), c.denied()}, Hosts: append(slices.Clone(c.others), c.foreign+"=*"), TokenBytes: c.tokenBytes}
}
