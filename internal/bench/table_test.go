package main

import (
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []int
		want   int
	}{
		{name: "one", values: []int{7}, want: 7},
		{name: "odd", values: []int{9, 1, 5}, want: 5},
		{name: "even", values: []int{4, 1, 3, 2}, want: 3},
		{name: "an outlier", values: []int{1, 1000, 2}, want: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestMedianLeavesTheOrderOfTheRunsAlone(t *testing.T) {
	values := []int{3, 1, 2}
	median(values)
	if values[0] != 3 {
		t.Errorf("got %v", values)
	}
}

func TestRatiosAndAims(t *testing.T) {
	for _, tt := range []struct{ name, got, want string }{
		{"a ratio", times(30*time.Second, 2*time.Second), "15.0 x"},
		{"nothing at all", times[int64](5, 0), "5.0 x"},
		{"just met", against[int64](20, 20), "met"},
		{"missed", against(3*time.Second, 2*time.Second), "missed"},
		{"a rate", against(aimLookups, 19_999.9), "missed"},
		{"a share", factor(time.Second, 4*time.Second), "0.25 x ours"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
