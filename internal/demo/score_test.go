package main

import (
	"errors"
	"testing"
	"time"
)

var errExpired = errors.New("denied: Your authorization token has expired")

func TestScore(t *testing.T) {
	good := score{life: time.Minute, tokens: 3, renewals: 12, pulls: 40, crossed: 2*time.Minute + time.Second, contrast: errExpired}
	tests := []struct {
		name      string
		spoil     func(*score)
		wantLives int
		want      bool
	}{
		{"all well", func(*score) {}, 2, true},
		{"a pull failed", func(s *score) { s.failures = 1 }, 2, false},
		{"nothing was pulled", func(s *score) { s.pulls = 0 }, 2, false},
		{"no token life was crossed", func(s *score) { s.crossed = time.Minute - 1 }, 0, false},
		{"no contrast", func(s *score) { s.contrast = nil }, 2, false},
		{"an expired token was accepted", func(s *score) { s.contrast = errWorked }, 2, false},
		{"the contrast failed for another reason", func(s *score) { s.contrast = errors.New("connection refused") }, 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.spoil(&s)
			if s.passed() != tt.want || s.lives() != tt.wantLives {
				t.Errorf("passed %v after %d lives, want %v after %d", s.passed(), s.lives(), tt.want, tt.wantLives)
			}
		})
	}
}
