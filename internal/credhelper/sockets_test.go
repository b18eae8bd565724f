package credhelper

import (
	"slices"
	"testing"
)

func TestSockets(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		uid  int
		want []string
	}{
		{"root", nil, 0, []string{systemSocket}},
		{"root with another's directory", map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"}, 0, []string{systemSocket}},
		{"user", map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"}, 1000,
			[]string{"/run/user/1000/ecr-refreshd/ecr-refreshd.sock", systemSocket}},
		{"user, slash at the end", map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000/"}, 1000,
			[]string{"/run/user/1000/ecr-refreshd/ecr-refreshd.sock", systemSocket}},
		{"user without a session", nil, 1000, []string{systemSocket}},
		{"user, relative directory", map[string]string{"XDG_RUNTIME_DIR": "run"}, 1000, []string{systemSocket}},
		{"moved", map[string]string{"ECR_REFRESHD_SOCKET": "/x.sock", "XDG_RUNTIME_DIR": "/run/user/1000"}, 1000, []string{"/x.sock"}},
		{"moved, root", map[string]string{"ECR_REFRESHD_SOCKET": "/x.sock"}, 0, []string{"/x.sock"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Sockets(func(name string) string { return tt.env[name] }, tt.uid)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
