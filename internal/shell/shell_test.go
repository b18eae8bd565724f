package shell

import (
	"os/exec"
	"strings"
	"testing"
)

func TestQuoteMakesOneWord(t *testing.T) {
	tests := []struct{ name, s, want string }{
		{"a path", "/home/ci/.docker/config.json", "/home/ci/.docker/config.json"},
		{"a host", "registry.example:5000", "registry.example:5000"},
		{"empty", "", "''"},
		{"a home", "~root", "'~root'"},
		{"an option", "-rf", "'-rf'"},
		{"a blank", "/a b", "'/a b'"},
		{"quotes", `/it's "so"`, `'/it'\''s "so"'`},
		{"a command", "/$(id)`id`;id&id|id>x\\", "'/$(id)`id`;id&id|id>x\\'"},
		{"what no terminal shows", "/a\nb\x1b[0m\u202e\xff", "'/a\ufffdb\ufffd[0m\ufffd\ufffd'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Quote(tt.s)
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			shown := strings.NewReplacer("\n", "\ufffd", "\x1b", "\ufffd", "\u202e", "\ufffd", "\xff", "\ufffd").Replace(tt.s)
			out, err := exec.Command("/bin/sh", "-c", "printf '<%s>' "+got).Output()
			if string(out) != "<"+shown+">" {
				t.Errorf("the shell makes %q of it (%v), want %q", out, err, shown)
			}
		})
	}
}
