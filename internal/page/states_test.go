package page

import (
	"fmt"
	"strings"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 2, 14, 35, 0, 0, time.UTC)

func in(d time.Duration) *time.Time {
	t := now.Add(d)
	return &t
}

func registry(account, region string, state status.State) status.Registry {
	return status.Registry{
		Host: account + ".dkr.ecr." + region + ".amazonaws.com", Account: account, Region: region, Identity: "default credentials",
		State: state, RefreshedAt: in(-2*time.Hour - 10*time.Minute), ExpiresAt: in(9*time.Hour + 50*time.Minute), NextRefreshAt: in(3*time.Hour + 12*time.Minute),
		Targets: []status.Target{{Name: "engine", Type: "engine", State: status.OK, StoredAt: in(-2*time.Hour - 10*time.Minute)},
			{Name: "docker-config", Type: "docker-config", State: status.OK, StoredAt: in(-2*time.Hour - 10*time.Minute)}},
		LastDay: strings.Repeat("o", 96),
	}
}

func report(rows ...status.Registry) status.Report {
	return status.Report{Version: "1.0.0", StartedAt: *in(-50 * time.Hour), Registries: rows,
		Config: status.Config{Path: "/etc/ecr-refreshd/config.yaml", LoadedAt: *in(-5 * time.Hour)},
		Socket: status.Socket{Path: "/run/ecr-refreshd/ecr-refreshd.sock"}}
}

// states are reports of every kind; those of real runs are in testdata.
func states() map[string]status.Report {
	fresh := registry("111122223333", "us-east-1", status.Fresh)
	denied := &status.Problem{Reason: fault.Denied, At: *in(-4 * time.Minute),
		Message: `get authorization token in "eu-west-1" as role arn:aws:iam::444455556666:role/pull: AccessDeniedException: User: arn:aws:sts::444455556666:assumed-role/pull/ecr-refreshd is not authorized to perform: ecr:GetAuthorizationToken on resource: *`,
		Hint:    `allow "ecr:GetAuthorizationToken" on Resource "*" to this identity, and let no service control policy, permissions boundary or VPC endpoint policy deny it`}
	failing := registry("444455556666", "eu-west-1", status.Failing)
	failing.Error, failing.NextRefreshAt, failing.ConsecutiveFailures = denied, in(11*time.Minute), 7
	failing.ExpiresAt, failing.RefreshedAt = in(5*time.Hour), in(-7*time.Hour)
	failing.LastDay = strings.Repeat("o", 84) + strings.Repeat("r", 12)
	expired := registry("777788889999", "us-east-1", status.Expired)
	expired.ExpiresAt, expired.RefreshedAt, expired.NextRefreshAt = in(-3*time.Hour), in(-15*time.Hour), in(40*time.Second)
	expired.Error = &status.Problem{Reason: fault.Network, At: *in(-20 * time.Second),
		Message: `get authorization token in "us-east-1": dial tcp: lookup api.ecr.us-east-1.amazonaws.com: no such host`,
		Hint:    "check DNS, firewall and proxy (HTTPS_PROXY, NO_PROXY), and that the region is spelled right"}
	expired.Targets = []status.Target{{Name: "engine", Type: "engine", State: status.Pending}}
	expired.LastDay = "oooooooooooo" + strings.Repeat("o", 36) + strings.Repeat("r", 36) + strings.Repeat("e", 12)
	full := registry("111122223333", "eu-central-1", status.Fresh)
	full.Targets[1].State = status.Failed
	full.Targets[1].Error = &status.Problem{Reason: fault.Local, At: *in(-3 * time.Minute), Message: "write /var/lib/jenkins/.docker/config.json: no space left on device",
		Hint: "free space on the file system of /var/lib/jenkins: `df -h /var/lib/jenkins`"}
	full.LastDay = strings.Repeat("o", 60) + "ttt" + strings.Repeat("o", 30) + "ttt"
	warned := registry("222233334444", "us-east-2", status.Fresh)
	warned.Targets[1].Warning = "the mode 0644 of /var/lib/jenkins/.docker/config.json lets others read the tokens in it: chmod 600 /var/lib/jenkins/.docker/config.json"
	young := registry("333344445555", "us-west-2", status.Pending)
	young.ExpiresAt, young.RefreshedAt, young.NextRefreshAt, young.LastDay = nil, nil, nil, ""
	for i := range young.Targets {
		young.Targets[i].State, young.Targets[i].StoredAt = status.Pending, nil
	}
	public := registry("", "us-east-1", status.Fresh)
	public.Host, public.LastDay = "public.ecr.aws", strings.Repeat("o", 30)

	refused := report(fresh, public)
	refused.Config.Error = &status.Problem{Reason: fault.Local, At: *in(-90 * time.Second),
		Message: "/etc/ecr-refreshd/config.yaml:4: registries[0].regoin: no such key; did you mean \"region\"?\n/etc/ecr-refreshd/config.yaml:9: targets[1].type: \"docker-cfg\" is no type of target",
		Hint:    "correct the file and reload: `systemctl reload ecr-refreshd`"}
	refused.Registries[1].ClockWrong = true
	refused.Socket.Error = &status.Problem{Reason: fault.Local, At: now, Message: "the socket of systemd is gone",
		Hint: "run `systemctl stop ecr-refreshd.socket && systemctl restart ecr-refreshd.service`; until then new clients cannot connect"}

	many := make([]status.Registry, 2000)
	for i := range many {
		r := fresh
		if i%400 == 7 {
			r = failing
		}
		r.Host = fmt.Sprintf("%012d.dkr.ecr.us-east-1.amazonaws.com", 100000000000+i)
		many[i] = r
	}
	broken := make([]status.Registry, 2000)
	for i := range broken {
		broken[i] = expired
		broken[i].Host = fmt.Sprintf("%012d.dkr.ecr.us-east-1.amazonaws.com", 100000000000+i)
	}
	return map[string]status.Report{
		"fresh":   report(fresh, public, registry("111122223333", "eu-west-1", status.Fresh)),
		"failing": report(fresh, failing, public, full, warned),
		"expired": report(fresh, failing, expired, public, young),
		"waiting": report(young, fresh),
		"empty":   report(),
		"refused": refused,
		"many":    report(many...),
		"broken":  report(broken...),
	}
}
