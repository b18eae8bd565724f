package restart

import (
	"maps"
	"testing"
	"time"

	"ecr-refreshd/internal/login"
)

func TestWhatIsLeftIsTheLeastThatEitherClockSays(t *testing.T) {
	tests := []struct {
		name       string
		wall, boot time.Duration // what the clocks say has passed
		want       time.Duration // left of 12 hours; 0: expired
	}{
		{"at once", 0, 0, 12 * time.Hour},
		{"an hour later", time.Hour, time.Hour, 11 * time.Hour},
		{"clock set back", -5 * time.Hour, time.Hour, 11 * time.Hour},
		{"clock set back within the time", 30 * time.Minute, time.Hour, 11 * time.Hour},
		{"clock set ahead", 5 * time.Hour, time.Hour, 7 * time.Hour},
		{"clock set back by years", -20 * 365 * day, time.Hour, 11 * time.Hour},
		{"clock set ahead by years", 20 * 365 * day, time.Hour, 0},
		{"another kernel", time.Hour, -day, 11 * time.Hour},
		{"another kernel and clock set back", -time.Hour, -day, 12 * time.Hour},
		{"expired by both", 12 * time.Hour, 12 * time.Hour, 0},
		{"expired by the boot clock", -time.Hour, 12 * time.Hour, 0},
		{"all but expired", 12*time.Hour - time.Millisecond, time.Hour, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := snapshot{at(0, 0), map[string]login.Token{"k": token("s"), "public": {ObtainedAt: noon, ExpiresAt: noon.Add(12 * time.Hour)}}}
			now := at(tt.wall, tt.boot)
			alive := s.alive(now)
			if tt.want == 0 {
				if len(alive) > 0 {
					t.Errorf("got %v, want none", alive)
				}
				return
			}
			got := alive["k"]
			if left := got.ExpiresAt.Sub(now.wall); left != tt.want {
				t.Errorf("left is %v, want %v", left, tt.want)
			}
			if life, session := got.ExpiresAt.Sub(got.ObtainedAt), got.SessionEndsAt.Sub(got.ObtainedAt); life != 12*time.Hour || session != time.Hour {
				t.Errorf("life is %v, session %v", life, session)
			}
			if !alive["public"].SessionEndsAt.IsZero() {
				t.Error("a session that does not end got an end")
			}
			if !maps.EqualFunc(s.tokens, map[string]login.Token{"k": token("s"), "public": s.tokens["public"]}, same) {
				t.Error("the snapshot itself has changed")
			}
		})
	}
}

func TestPresentReadsBothClocks(t *testing.T) {
	before, started := present(), time.Now()
	after := present()
	if before.boot <= 0 || after.boot < before.boot || before.wall.After(started) || after.wall.Before(started) {
		t.Errorf("got %v, then %v", before, after)
	}
}
