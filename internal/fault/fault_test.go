package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestAllTakesAnErrorApart(t *testing.T) {
	one := &Error{Reason: Local, Op: "write", Err: fs.ErrPermission, Hosts: []string{"a"}}
	two := &Error{Reason: Rejected, Op: "log in", Hosts: []string{"b"}}
	tests := []struct {
		name string
		err  error
		want []Reason
	}{
		{"nil", nil, nil},
		{"one, wrapped", fmt.Errorf("x: %w", one), []Reason{Local}},
		{"a list", List{one, two}.Err(), []Reason{Local, Rejected}},
		{"an empty list", List{}.Err(), nil},
		{"joined", errors.Join(List{one, two}, fmt.Errorf("x: %w", one)), []Reason{Local, Rejected, Local}},
		{"a wrapped list", fmt.Errorf("x: %w", List{two, one}), []Reason{Rejected, Local}},
		{"a stranger, wrapped", fmt.Errorf("x: %w", fs.ErrExist), []Reason{Invalid}},
		{"a stranger", errors.New("boom"), []Reason{Invalid}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := All(tt.err)
			if len(got) != len(tt.want) {
				t.Fatalf("got %d faults, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if got[i].Reason != tt.want[i] {
					t.Errorf("fault %d is %s, want %s", i, got[i].Reason, tt.want[i])
				}
			}
		})
	}
	if err := (List{one, two}).Err(); !errors.Is(err, fs.ErrPermission) || !Has(err, Rejected) || Has(err, Engine) {
		t.Error("the causes of a list are not found")
	}
	if !one.Concerns("a") || one.Concerns("b") || !(&Error{}).Concerns("b") {
		t.Error("Concerns is wrong")
	}
}
