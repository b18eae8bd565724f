package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStatus(t *testing.T) {
	const good = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nRssAnon:\t     512 kB\nRssFile:\t     256 kB\nThreads:\t7\n"
	tests := []struct {
		name, text string
		want       memory
		wantErr    bool
	}{
		{name: "all lines", text: good, want: memory{resident: 1 << 20, peak: 2 << 20, anonymous: 512 << 10, file: 256 << 10}},
		{name: "a line lacks", text: "VmHWM: 1 kB\nVmRSS: 1 kB\nRssAnon: 1 kB\n", wantErr: true},
		{name: "another unit", text: "VmRSS: 1 MB\n", wantErr: true},
		{name: "no number", text: "VmRSS: kB\n", wantErr: true},
		{name: "a kernel thread", text: "Name: x\n", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStatus(tt.text)
			if (err != nil) != tt.wantErr || err == nil && got != tt.want {
				t.Errorf("got %+v, %v; want %+v, an error: %t", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0"
	tests := []struct {
		name, text, want string
		cpu              time.Duration
		wantErr          bool
	}{
		{name: "plain", text: "12 (dockerd)" + rest, want: "dockerd", cpu: 2 * time.Second},
		{name: "a name with parentheses and spaces", text: "12 (a) S (b)" + rest, want: "a) S (b", cpu: 2 * time.Second},
		{name: "cut short", text: "12 (dockerd) S 1 2", wantErr: true},
		{name: "no name", text: "12 dockerd S", wantErr: true},
		{name: "no number", text: "12 (x) S 1 2 3 4 5 6 7 8 9 10 a 50 0", wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, cpu, err := parseStat(tt.text)
			if (err != nil) != tt.wantErr || err == nil && (name != tt.want || cpu != tt.cpu) {
				t.Errorf("got %q, %s, %v; want %q, %s, an error: %t", name, cpu, err, tt.want, tt.cpu, tt.wantErr)
			}
		})
	}
}

func TestTheKernelsOwnFormIsRead(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	if err != nil || m.resident <= 0 || m.peak < m.anonymous {
		t.Errorf("memory: %+v, %v", m, err)
	}
	if _, err := cpuOf(os.Getpid()); err != nil {
		t.Error(err)
	}
	if ownCPU() <= 0 {
		t.Error("this process has used no CPU time")
	}
}

func FuzzParseProc(f *testing.F) {
	f.Add("VmRSS: 1 kB\nVmHWM: 1 kB\nRssAnon: 1 kB\nRssFile: 0 kB\n")
	f.Add("1 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseStatus(text); err == nil && (m.resident < 0 || m.peak < 0 || m.anonymous < 0 || m.file < 0) {
			t.Errorf("%q gives %+v", text, m)
		}
		if _, cpu, err := parseStat(text); err == nil && cpu < 0 {
			t.Errorf("%q gives %s", text, cpu)
		}
	})
}
