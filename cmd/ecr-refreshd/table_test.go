package main

import (
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/status"
)

func TestARowSaysHowLongAgoATokenExpired(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rows := []status.Registry{{Host: "public.ecr.aws", State: status.Expired, ExpiresAt: new(now.Add(-3*time.Minute - 5*time.Second)),
		NextRefreshAt: new(now.Add(-time.Second)), Targets: []status.Target{{Name: "engine", State: status.Pending}}}}
	var b strings.Builder
	if err := printRegistries(&b, rows, now, func(_, text string) string { return text }); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(b.String()[strings.Index(b.String(), "\n"):]), " "); got != "public.ecr.aws expired expired 3m 5s ago now engine pending" {
		t.Errorf("got %q", got)
	}
}
