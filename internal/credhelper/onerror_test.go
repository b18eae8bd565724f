package credhelper

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestAFailureDoesNotSpread: some clients ask the helper for every registry that they know
// and lose all logins when it fails for one.
func TestAFailureDoesNotSpread(t *testing.T) {
	const ecrHost, notFoundLine = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "credentials not found in native keychain\n"
	away := func(t *testing.T) string { return socket(t) }
	answering := func(answer string) func(*testing.T) string {
		return func(t *testing.T) string {
			path := socket(t)
			listen(t, path, func(_ int, c net.Conn) { take(c); io.WriteString(c, answer) })
			return path
		}
	}
	refusing := answering(reply(503, "no token yet\n"))
	tests := []struct {
		name, onError, command, host string
		daemon                       func(*testing.T) string
		want                         string // how the output begins
		code                         int
	}{
		{"no daemon, docker.io", "", "get", "https://index.docker.io/v1/", away, notFoundLine, 1},
		{"no daemon, a registry of somebody else", "", "get", "ghcr.io", away, notFoundLine, 1},
		{"no daemon, almost ECR", "", "get", ecrHost + ".example", away, notFoundLine, 1},
		{"no daemon, ECR", "", "get", ecrHost, away, "ecr-refreshd: no daemon listens", 1},
		{"no daemon, ECR Public", "", "get", "https://public.ecr.aws", away, "ecr-refreshd: no daemon listens", 1},
		{"no token, ECR", "", "get", ecrHost, refusing, "ecr-refreshd: no token yet", 1},
		{"no token, another name of ours", "", "get", "images.example", refusing, "ecr-refreshd: no token yet", 1},
		{"no daemon, list", "", "list", "", away, "ecr-refreshd: no daemon listens", 1},
		{"not-found, no daemon", notFound, "get", ecrHost, away, notFoundLine, 1},
		{"not-found, no token", notFound, "get", ecrHost, refusing, notFoundLine, 1},
		{"not-found, nonsense", notFound, "get", ecrHost, answering(reply(200, "[]")), notFoundLine, 1},
		{"not-found, list", notFound, "list", "", away, "{}\n", 0},
		{"not-found, list refused", notFound, "list", "", refusing, "{}\n", 0},
		{"not-found, but there is one", notFound, "get", ecrHost, answering(reply(200, "{}")), "{}", 0},
		{"a value that nobody knows", "never", "get", ecrHost, away, "ecr-refreshd: no daemon listens", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := helper(tt.daemon(t))
			h.onError = tt.onError
			out, code := run(h, tt.command, tt.host)
			if !strings.HasPrefix(out, tt.want) || code != tt.code {
				t.Errorf("got %q, exit code %d; want %q, %d", out, code, tt.want, tt.code)
			}
			if tt.onError == "never" && !strings.Contains(out, `ECR_REFRESHD_ON_ERROR="never" is not known`) {
				t.Errorf("got %q, want it to name the variable", out)
			}
		})
	}
}
