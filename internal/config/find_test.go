package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := home(t)
	system := dir + "/etc.yaml"
	for _, d := range []string{"/xdg", "/xdg/ecr-refreshd", "/home", "/home/.config", "/home/.config/ecr-refreshd", "/empty"} {
		mkdir(t, dir+d, 0o700)
	}
	inXDG := write(t, dir+"/xdg/ecr-refreshd/config.yaml", smallest, 0o600)
	inHome := write(t, dir+"/home/.config/ecr-refreshd/config.yaml", smallest, 0o600)
	tests := []struct {
		name   string
		flag   string
		env    map[string]string
		uid    int
		system bool // is there a file in /etc
		want   string
	}{
		{"the flag before all", "/flag", map[string]string{"ECR_REFRESHD_CONFIG": "/env"}, 0, true, "/flag"},
		{"the variable before files", "", map[string]string{"ECR_REFRESHD_CONFIG": "/env", "HOME": dir + "/home"}, 1000, true, "/env"},
		{"root: the host's file", "", map[string]string{"HOME": dir + "/home"}, 0, true, system},
		{"root: not the one in its home", "", map[string]string{"HOME": dir + "/home"}, 0, false, ""},
		{"user: their own before the host's", "", map[string]string{"HOME": dir + "/home"}, 1000, true, inHome},
		{"user: $XDG_CONFIG_HOME before ~/.config", "", map[string]string{"HOME": dir + "/home", "XDG_CONFIG_HOME": dir + "/xdg"}, 1000, true, inXDG},
		{"user: a relative $XDG_CONFIG_HOME does not count", "", map[string]string{"HOME": dir + "/home", "XDG_CONFIG_HOME": "xdg"}, 1000, true, inHome},
		{"user: the host's if there is no own", "", map[string]string{"HOME": dir + "/empty"}, 1000, true, system},
		{"user without a home", "", nil, 1000, true, system},
		{"nothing", "", map[string]string{"HOME": dir + "/empty"}, 1000, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := dir + "/none.yaml"
			if tt.system {
				at = write(t, system, smallest, 0o600)
			}
			got, err := find(tt.flag, func(key string) string { return tt.env[key] }, tt.uid, at)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestFindLooksInEtc(t *testing.T) {
	got, err := Find("", func(string) string { return "" }, 0)
	if got != SystemPath && (err == nil || !strings.Contains(err.Error(), SystemPath)) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestFindSaysWhereItLooked(t *testing.T) {
	_, err := find("", func(string) string { return "" }, 0, "/nowhere/config.yaml")
	const want = "no configuration file: looked for --config, $ECR_REFRESHD_CONFIG, /nowhere/config.yaml; " +
		"write the smallest that works to /nowhere/config.yaml:\nregistries:\n  - region: us-east-1"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What exists but cannot be looked at is not passed over for another file.
func TestFindStopsAtWhatItCannotSee(t *testing.T) {
	dir := home(t)
	write(t, dir+"/file", "", 0o600)
	getenv := func(key string) string { return map[string]string{"HOME": dir}[key] }
	own := filepath.Join(dir, ".config")
	link(t, "loop", dir+"/loop")
	link(t, "loop", own)
	got, err := find("", getenv, 1000, write(t, dir+"/etc.yaml", smallest, 0o600))
	if err != nil || !strings.HasPrefix(got, own) {
		t.Errorf("got %q, %v; want the user's own", got, err)
	}
}
