package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// printed is what a timeline prints of a play that begins at this moment.
func printed(colour bool, do func(*timeline)) string {
	var b bytes.Buffer
	do(newTimeline(&b, colour))
	return b.String()
}

func TestSum(t *testing.T) {
	good := score{life: time.Minute, tokens: 3, renewals: 12, pulls: 40, length: 125 * time.Second, crossed: 2 * time.Minute, contrast: errExpired}
	failed := good
	failed.failures = 1
	accepted := good
	accepted.contrast = errWorked
	early := score{life: time.Minute, tokens: 1, crossed: 61 * time.Second}
	tests := []struct {
		name  string
		score score
		why   error
		want  []string
	}{
		{"all well", good, nil, []string{"after 2:05", "renewals  12, after 3 first tokens", "pulls     40\n", "failures  0\n",
			"crossed   2 token lives of 60 s", "must be; docker says:\n            denied: Your authorization token has expired", "No pull failed"}},
		{"a failure", failed, nil, []string{"failures  1\n", "not how it should be"}},
		{"accepted", accepted, nil, []string{"must be refused as expired, but:\n            it worked", "not how it should be"}},
		{"stopped", early, errors.Join(errStopped), []string{"after 1 first token\n", "1 token life of", "contrast  not tried", "Stopped early"}},
		{"broken off", early, errors.New("the daemon has ended"), []string{"The demo broke off: the daemon has ended"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := printed(false, func(tl *timeline) { tl.sum(tt.score, tt.why, "docker") })
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			if (tt.why != nil || !tt.score.passed()) && strings.Contains(got, "No pull failed") {
				t.Errorf("praise for a bad end:\n%s", got)
			}
		})
	}
}
