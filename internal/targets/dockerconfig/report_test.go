package dockerconfig

import (
	"strings"
	"testing"

	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/osuser"
)

func TestAReportShowsNamesOfAFileHarmlessly(t *testing.T) {
	long := strings.Repeat("y", maxHost+1)
	tests := []struct{ name, host, want string }{
		{"a registry", hostA, hostA},
		{"the longest name", long[1:], long[1:]},
		{"more than a name", long, long[1:]},
		{"an escape sequence", "a\x1b[2J\nb\u009b1m", "a[2Jb1m"},
		{"not UTF-8", "a\xffb", "ab"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReport("/f", map[string]HostReport{tt.host: {Host: tt.host, Action: Removed}})
			if got, want := r.String(), "/f:\n  removed "+tt.want; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if r.Hosts[0].Host != tt.want {
				t.Errorf("in JSON %q, want %q", r.Hosts[0].Host, tt.want)
			}
		})
	}
}

// A command's person is told of flags, and that nothing happens by itself.
func TestHintsOfACommandSpeakOfItsFlags(t *testing.T) {
	distrust := &filetrust.Error{Path: "/d"}
	tests := []struct {
		name       string
		site       site
		err        error
		key, typed string
	}{
		{"no account", site{path: "~/f", user: "ci", format: docker, makes: 1}, osuser.ErrUnknown, "correct `user`; `getent passwd ci` shows whether this host knows it; until then it is waited for",
			"correct `--user`; `getent passwd ci` shows whether this host knows it"},
		{"no directory", site{path: "/home/ci/.docker/config.json", format: docker, makes: 1}, errNoParent, "/home/ci is waited for; if that is not where the file belongs, set `path`",
			"create /home/ci; if that is not where the file belongs, set `--file`"},
		{"another's directory", site{path: "/d/f", format: docker}, distrust, "set `user: NAME` for this target, so", "give `--user NAME`, so"},
		{"for an account", site{path: "/d/f", user: "ci", format: docker, as: new(osuser.Account)}, distrust, "set `path` or `user` to", "set `--file` or `--user` to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.site.hint(tt.err); !strings.Contains(got, tt.key) {
				t.Errorf("of a target: got %q, want %q", got, tt.key)
			}
			tt.site.command = true
			got := tt.site.hint(tt.err)
			if !strings.Contains(got, tt.typed) || strings.Contains(got, "waited for") || strings.Contains(got, "target") {
				t.Errorf("of a command: got %q, want %q", got, tt.typed)
			}
		})
	}
}

func TestAReportNamesNothingThatCouldNotBeWritten(t *testing.T) {
	full := func(head string) string {
		head = withHelper(head)
		return head + `"k":"` + strings.Repeat("x", maxSize-len(head)-10) + `"}`
	}
	h, path := newHelper(t)
	write(t, path, full(`{`))
	report, err := h.Configure(t.Context(), []string{hostA})
	wantFault(t, err, errTooLarge, "put it aside")
	if len(report.Hosts) != 0 {
		t.Errorf("configure: %s", report)
	}
}
