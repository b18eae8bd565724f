package renew

import (
	"math"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

var usual = Policy{At: 0.5, Jitter: 0.1, Initial: time.Second, Max: 5 * time.Minute}

// every is a Schedule that fires at multiples of itself.
type every time.Duration

func (e every) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(e)).Add(time.Duration(e))
}

func TestDue(t *testing.T) {
	const h = time.Hour
	tests := []struct {
		name     string
		life     time.Duration
		session  time.Duration // 0: none
		schedule Schedule
		draw     float64
		want     time.Duration
	}{
		{name: "half its life", life: 12 * h, want: 6 * h},
		{name: "jitter is always earlier", life: 12 * h, draw: 0.5, want: 5*h + 24*time.Minute},
		{name: "a cron line brings it forward", life: 12 * h, schedule: every(4 * h), want: 4 * h},
		{name: "a cron line never defers", life: 12 * h, schedule: every(24 * h), want: 6 * h},
		{name: "the session ends first", life: 12 * h, session: h, want: 55 * time.Minute},
		{name: "a session about to end is looked at half-way", life: 12 * h, session: 4 * time.Minute, want: 2 * time.Minute},
		{name: "a session that is over is no reason", life: 12 * h, session: -h, want: 6 * h},
		{name: "a minute's token", life: time.Minute, want: 30 * time.Second},
		{name: "never below the floor", life: 12 * h, schedule: every(time.Second), want: calmFloor},
		{name: "the floor of a short life", life: 8 * time.Second, schedule: every(time.Second), want: 2 * time.Second},
		{name: "the floor of the shortest life", life: shortestLife, want: floor},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := usual
			p.Schedule = tt.schedule
			tok := login.Token{ObtainedAt: start, ExpiresAt: start.Add(tt.life)}
			if tt.session != 0 {
				tok.SessionEndsAt = start.Add(tt.session)
			}
			if got := p.Due(tok, tt.draw).Sub(start); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDelay(t *testing.T) {
	const almost1 = 1 - 1e-12
	round := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	tests := []struct {
		name     string
		failures int
		reason   fault.Reason
		left     time.Duration
		draw     float64
		want     time.Duration
	}{
		{"the first", 1, fault.Network, 6 * time.Hour, almost1, time.Second},
		{"doubles", 4, fault.Network, 6 * time.Hour, almost1, 8 * time.Second},
		{"full jitter", 4, fault.Network, 6 * time.Hour, 0, floor},
		{"is capped", 40, fault.Network, 6 * time.Hour, almost1, 5 * time.Minute},
		{"however often", math.MaxInt, fault.Network, 6 * time.Hour, almost1, 5 * time.Minute},
		{"throttled waits longer", 1, fault.Throttled, 6 * time.Hour, almost1, 4 * time.Second},
		{"throttled at most", 40, fault.Throttled, 6 * time.Hour, almost1, 10 * time.Minute},
		{"denied waits longest", 40, fault.Denied, 6 * time.Hour, almost1, 30 * time.Minute},
		{"credentials too", 2, fault.Credentials, 6 * time.Hour, almost1, 20 * time.Second},
		{"near the end", 40, fault.Network, 12 * time.Minute, almost1, 2 * time.Minute},
		{"past the end", 40, fault.Network, -time.Hour, almost1, time.Minute},
		{"denied past the end", 40, fault.Denied, -time.Hour, almost1, 5 * time.Minute},
		{"a full disk is cheap to ask", 40, fault.Local, 6 * time.Hour, almost1, 30 * time.Second},
		{"an engine too", 40, fault.Engine, 6 * time.Hour, almost1, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := usual.Delay(tt.failures, tt.reason, tt.left, tt.draw); round(got) != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	for _, r := range fault.Reasons() {
		for n := range 70 {
			if d := usual.Delay(n, r, 0, 0); d < floor {
				t.Fatalf("%s after %d failures waits %v, less than the floor", r, n, d)
			}
		}
	}
}

func TestUnhurried(t *testing.T) {
	tests := []struct {
		name             string
		wait, left, want time.Duration
	}{
		{"there is time", time.Minute, 6 * time.Hour, 4 * time.Minute},
		{"but not for ever", 5 * time.Minute, time.Hour, 10 * time.Minute},
		{"near the end", time.Minute, 3 * time.Minute, time.Minute},
		{"without a token", time.Second, 0, time.Second},
		{"after its end", time.Second, -time.Hour, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := unhurried(tt.wait, tt.left); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCorrectDistrustsAnExpiryThatCannotBeTrue(t *testing.T) {
	tests := []struct {
		name  string
		life  time.Duration
		wrong bool // and said to be
	}{
		{"as documented", 12 * time.Hour, false},
		{"short, as an emulator gives", time.Minute, false},
		{"a clock that is a little slow", 12*time.Hour + 10*time.Minute, false},
		{"in the past", -time.Hour, true},
		{"right now", 0, true},
		{"far", 48 * time.Hour, true},
		{"centuries", math.MaxInt64, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := correct(login.Token{ObtainedAt: start, ExpiresAt: start.Add(tt.life)})
			want := min(tt.life, documentedLife)
			if tt.wrong {
				want = documentedLife
			}
			if life := got.ExpiresAt.Sub(start); life != want || (err != nil) != tt.wrong {
				t.Errorf("life %v, error %v; want %v", life, err, want)
			}
		})
	}
	if _, err := correct(login.Token{ObtainedAt: start}); err == nil {
		t.Error("no expiry at all is believed")
	}
}
