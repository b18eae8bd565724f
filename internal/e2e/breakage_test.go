package e2e

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/emulator"
)

// TestBreakageIsSaidOnceAndMendsItself breaks one thing at a time before the
// daemon starts, wants one line about it with what to do, fixes it, and wants
// the daemon to go on without help.
func TestBreakageIsSaidOnceAndMendsItself(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudBreakage, 30*time.Second)
	host := s.cloud.hosts()[0]
	const files, engine = "targets: [{type: docker-config}]\n", "targets: [{type: engine}]\n"
	root := s.bed.Root()
	home := func() string {
		root.Home = t.TempDir()
		return root.Home
	}
	tests := []struct {
		name    string
		targets string
		breaks  func(t *testing.T) (endpoint, engine string, fix func()) // empty: the usual ones
		message string
		parts   []string // of the line
		hint    string   // a part of it
		level   string
		after   string // the message when it is fixed
	}{
		{"no engine socket", engine, func(t *testing.T) (string, string, func()) {
			socket := filepath.Join(home(), "docker.sock")
			return "", "unix://" + socket, func() { must(t, os.Symlink(s.engine.Socket, socket)) }
		}, "login not stored", []string{`"reason":"engine"`, "docker.sock"}, "systemctl status docker", "warn", "login stored again"},
		{"no AWS", files, func(t *testing.T) (string, string, func()) {
			home()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			addr := l.Addr().String()
			must(t, l.Close())
			return "http://" + addr, "", func() { forward(t, addr, s.aws.Endpoint()) }
		}, "token not renewed", []string{`"reason":"network"`, "refused"}, "aws.endpoint_url", "warn", "token renewed again"},
		{"denied", files, func(t *testing.T) (string, string, func()) {
			home()
			return "", "", s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Status: http.StatusBadRequest, Code: "AccessDeniedException",
				Message: "User is not authorized to perform: ecr:GetAuthorizationToken on resource: *"})
		}, "token not renewed", []string{`"reason":"denied"`}, "ecr:GetAuthorizationToken", "error", "token renewed again"},
		{"full disk", files, func(t *testing.T) (string, string, func()) {
			disk := home()
			must(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=128k,mode=0700"))
			t.Cleanup(func() { must(t, unix.Unmount(disk, unix.MNT_DETACH)) })
			must(t, os.Mkdir(filepath.Join(disk, ".docker"), 0o700))
			ballast := filepath.Join(disk, "ballast")
			fill(t, ballast)
			return "", "", func() { must(t, os.Remove(ballast)) }
		}, "login not stored", []string{`"reason":"local"`, "no space left"}, "df -h", "error", "login stored again"},
		{"read-only home", files, func(t *testing.T) (string, string, func()) {
			disk := home()
			must(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "mode=0700"))
			t.Cleanup(func() { must(t, unix.Unmount(disk, unix.MNT_DETACH)) })
			must(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
			return "", "", func() { must(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "")) }
		}, "login not stored", []string{`"reason":"local"`, "read-only"}, "remount", "error", "login stored again"},
		{"broken config.json", files, func(t *testing.T) (string, string, func()) {
			home()
			must(t, os.Mkdir(filepath.Dir(configOf(root)), 0o700))
			must(t, os.WriteFile(configOf(root), []byte("{\"auths\": {\n"), 0o600))
			return "", "", func() { must(t, os.Remove(configOf(root))) }
		}, "login not stored", []string{`"reason":"local"`, "config.json"}, "mv ", "error", "login stored again"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := s.in(t)
			endpoint, at, fix := tt.breaks(t)
			if endpoint == "" {
				endpoint = s.aws.Endpoint()
			}
			if at == "" {
				at = s.engine.Host()
			}
			config := s.write("registries: [{host: " + host + "}]\n" + tt.targets + s.settings(endpoint))
			d := s.startDaemon(root, config, "DOCKER_HOST="+at)
			l := d.await(tt.message, tt.parts...)
			if !strings.Contains(l.Hint, tt.hint) || l.Level != tt.level {
				t.Errorf("got %s; want level %s and a hint with %q", l.raw, tt.level, tt.hint)
			}
			// Unless it is news, it is not said again.
			await(t, func() (bool, string) {
				lines := d.log.find(0, tt.message)
				return len(lines) >= 3, "a third try"
			})
			loud := d.log.loud(0)
			if len(loud) != 1 {
				t.Errorf("%d lines, want one:", len(loud))
				for _, l := range loud {
					t.Error(l.raw)
				}
			}
			fix()
			d.await(tt.after)
			if tt.targets == files {
				s.awaitAccepted(configOf(root), host)
			}
			if code := d.stop(); code != 0 {
				t.Errorf("ecr-refreshd ended with %d", code)
			}
		})
	}
}

// forward makes an endpoint answer at a further address.
func forward(t *testing.T, addr, endpoint string) {
	t.Helper()
	to, err := url.Parse(endpoint)
	must(t, err)
	l, err := net.Listen("tcp", addr)
	must(t, err)
	server := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is part of what is signed
	}}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
}
