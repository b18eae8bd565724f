package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", []string{""}},
		{"fits exactly", "12345 7890", []string{"12345 7890"}},
		{"one too many", "12345 78901", []string{"12345", "78901"}},
		{"a long word", "a 12345678901 b", []string{"a", "12345678901", "b"}},
		{"lines of its own", "a\n\nb", []string{"a", "", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wrap(tt.text, 10); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTimesInWords(t *testing.T) {
	tests := []struct {
		name                string
		d                   time.Duration
		wantSpan, wantClock string
	}{
		{"nothing", 0, "0 s", "0:00"},
		{"tenths", 1840 * time.Millisecond, "1.8 s", "0:01"},
		{"whole", 4 * time.Second, "4 s", "0:04"},
		{"tenths do not matter", 27400 * time.Millisecond, "27 s", "0:27"},
		{"minutes", 125 * time.Second, "125 s", "2:05"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if span, clock := span(tt.d), clock(tt.d); span != tt.wantSpan || clock != tt.wantClock {
				t.Errorf("got %q and %q, want %q and %q", span, clock, tt.wantSpan, tt.wantClock)
			}
		})
	}
}

// printed is what a timeline prints of a play that begins at this moment.
func printed(colour bool, do func(*timeline)) string {
	var b bytes.Buffer
	do(newTimeline(&b, colour))
	return b.String()
}

func TestRows(t *testing.T) {
	now := time.Now()
	token := line{Time: now, ExpiresAt: now.Add(time.Minute), NextRefreshAt: now.Add(27 * time.Second), Region: homeRegion, Host: hosts()[:2]}
	public := token
	public.Host = []string{publicHost()}
	tests := []struct {
		name   string
		colour bool
		do     func(*timeline)
		want   string
	}{
		{"first token", false, func(t *timeline) { t.renewed(token, 1) },
			"  0:00  login    us-east-1 (2 registries): token 1, good for 60 s; the next one in 27 s\n"},
		{"later token", false, func(t *timeline) { t.renewed(public, 2) },
			"  0:00  renewed  public.ecr.aws: token 2, good for 60 s; the next one in 27 s\n"},
		{"pull", false, func(t *timeline) { t.pulled(publicHost(), 420*time.Millisecond, 3) },
			"  0:00  pulled   public.ecr.aws/demo in 0.4 s, token 3\n"},
		{"failed pull", false, func(t *timeline) { t.failed(publicHost(), errors.New(strings.Repeat("no ", 30)+"\nat all")) },
			"  0:00  FAILED   public.ecr.aws/demo: " + strings.TrimSpace(strings.Repeat("no ", 20)) +
				"\n                 " + strings.TrimSpace(strings.Repeat("no ", 10)) + "\n                 at all\n"},
		{"log line", false, func(t *timeline) { t.quote(`{"a":1}`) }, "  0:00  daemon   says:\n{\"a\":1}\n"},
		{"colour", true, func(t *timeline) { t.pulled(publicHost(), 0, 3) },
			"  0:00  \x1b[32mpulled \x1b[0m  public.ecr.aws/demo in 0.0 s, token 3\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := printed(tt.colour, tt.do); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
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

func TestLinesAreShort(t *testing.T) {
	text := printed(false, func(tl *timeline) {
		tl.introduce(settings{length: 2 * time.Minute, life: time.Minute, pause: 3 * time.Second})
		tl.apologise(append(lacking("bin/ecr-demo"), strings.Repeat("something ", 30)))
		tl.failed(hosts()[1], errors.New(strings.Repeat("refused ", 40)))
		tl.note("%s", strings.Repeat("said ", 40))
		tl.sum(score{life: time.Minute, contrast: errors.New(strings.Repeat("refused ", 40))}, errors.New(strings.Repeat("broken ", 40)), "docker")
	})
	for l := range strings.Lines(text) {
		if len(l)-1 > columns {
			t.Errorf("%d columns: %s", len(l)-1, l)
		}
	}
}
