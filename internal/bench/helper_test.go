package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

func TestHelperRows(t *testing.T) {
	const ms = time.Millisecond
	u := func(wall, cpu time.Duration) typical {
		return typical{usage: usage{Wall: wall, CPU: cpu, Peak: 1 << 20}}
	}
	tests := []struct {
		name    string
		names   []string
		medians []typical
		aim     time.Duration
		want    []string // each is somewhere in the rows
	}{
		{name: "just met", names: []string{nameOurs, nameWarm, nameFloor}, aim: 3,
			medians: []typical{u(2*ms, 5*ms), u(6*ms, 15*ms), u(ms, 2*ms)},
			want: []string{"6.00 ms|3.00 x ours", "ours 3 x less than theirs (cache filled): wall met, CPU met",
				"within 2.5 Go floors: wall 2.00 met, CPU 2.50 met"}},
		{name: "just missed", names: []string{nameOurs, nameCold, nameFloor}, aim: 20,
			medians: []typical{u(ms, 26*ms), u(20*ms-1, 521*ms), u(ms, 10*ms)},
			want:    []string{"wall missed, CPU met", "wall 1.00 met, CPU 2.60 missed"}},
		{name: "nobody to compare with", names: []string{nameOurs, nameFloorC}, medians: []typical{u(ms, ms), u(ms/2, ms/2)}, want: []string{"0.50 x ours"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			for _, row := range helperRows(tt.names, tt.medians, tt.aim) {
				fmt.Fprintln(&b, strings.Join(row, "|"))
			}
			for _, want := range tt.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("got\n%s, want %q in it", b.String(), want)
				}
			}
			if len(tt.want) == 1 && strings.Contains(b.String(), "aim") {
				t.Errorf("got\n%s, want no judgement", b.String())
			}
		})
	}
}

func TestOnlyGoodCredentialsAreAnAnswer(t *testing.T) {
	aws, err := emulator.Start(emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer aws.Close()
	s := &site{aws: aws}
	for _, answer := range []string{"", "credentials not found", "{}", `{"Username":"AWS","Secret":"never issued"}`} {
		err := s.checkCredentials("111122223333.dkr.ecr.us-east-1.amazonaws.com", []byte(answer))
		if err == nil || strings.Contains(err.Error(), "never issued") {
			t.Errorf("%q: got %v, want an error without the secret", answer, err)
		}
	}
}
