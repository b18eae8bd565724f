package metrics

import (
	"fmt"
	"time"

	"ecr-refreshd/internal/status"
)

// fleet is the status of a daemon with n hosts in 20 regions and two targets, all well.
func fleet(n int) status.Report {
	now := time.Unix(1_800_000_000, 0)
	ends := now.Add(12 * time.Hour)
	r := status.Report{Version: "1.2.3", StartedAt: now}
	for i := range n {
		region := fmt.Sprintf("us-east-%d", i%20+1)
		r.Registries = append(r.Registries, status.Registry{
			Host: fmt.Sprintf("%012d.dkr.ecr.%s.amazonaws.com", i, region), Account: fmt.Sprintf("%012d", i), Region: region, Identity: "default",
			State: status.Fresh, ExpiresAt: &ends, RefreshedAt: &now, NextRefreshAt: &ends,
			Targets: []status.Target{{Name: "engine", Type: "engine", State: status.OK, StoredAt: &now},
				{Name: "docker-config", Type: "docker-config", State: status.OK, StoredAt: &now}},
		})
	}
	return r
}
