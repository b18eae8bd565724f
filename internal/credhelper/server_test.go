package credhelper

import (
	"net/url"
	"path"
	"strings"
	"testing"
)

const ecrHost = "111122223333.dkr.ecr.us-east-1.amazonaws.com"

func TestHostOf(t *testing.T) {
	refused := "ecr-refreshd: the server's name has a space or a control character in it"
	tests := []struct{ name, server, want, wantErr string }{
		{"bare host", ecrHost, ecrHost, ""},
		{"newline", ecrHost + "\n", ecrHost, ""},
		{"windows newline and spaces around", " " + ecrHost + "\r\n", ecrHost, ""},
		{"https and path", "https://" + ecrHost + "/v2/", ecrHost, ""},
		{"http", "http://" + ecrHost, ecrHost, ""},
		{"upper case", "HTTPS://Images.Example.COM", "images.example.com", ""},
		{"port", "images.example.com:5000", "images.example.com:5000", ""},
		{"IPv6 address", "[::1]:5000", "[::1]:5000", ""},
		{"path without scheme", "images.example.com/team/app", "images.example.com", ""},
		{"Docker Hub", "https://index.docker.io/v1/", "index.docker.io", ""},
		{"empty", "", "", errNoServer.Error()},
		{"only spaces", " \n\t", "", errNoServer.Error()},
		{"only a scheme", "https://", "", errNoServer.Error()},
		{"only a path", "/v2", "", errNoServer.Error()},
		{"another scheme", "oci://images.example.com", "oci:", ""},
		{"newline inside", "a.example\nb.example", "", refused},
		{"space inside", "a.example b.example", "", refused},
		{"request smuggling", "a HTTP/1.0\r\nX: y", "", refused},
		{"zero byte", "a\x00", "", refused},
		{"delete", "a\x7fb", "", refused},
		{"escape", "%2e%2e", "", errNotFound.Error()},
		{"query", "a?host=b", "", errNotFound.Error()},
		{"longest", strings.Repeat("a", hostLimit), strings.Repeat("a", hostLimit), ""},
		{"too long", strings.Repeat("a", hostLimit+1), "", errNotFound.Error()},
		{"steps in a path", "..", "", errNotFound.Error()},
		{"user", "me@a.example", "", errNotFound.Error()},
		{"letters beyond ASCII", "exämple.com", "", errNotFound.Error()},
		{"letter that only becomes ASCII in lower case", "\u212aube.example", "", errNotFound.Error()},
		{"broken UTF-8", "a\xff", "", errNotFound.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hostOf(tt.server)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != tt.want || text != tt.wantErr {
				t.Errorf("got %q, %q, want %q, %q", got, text, tt.want, tt.wantErr)
			}
		})
	}
}

func FuzzHostOf(f *testing.F) {
	for _, seed := range []string{ecrHost, "https://A/b", "[::1]:1", "http://https://", "..", "a%0d%0a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, server string) {
		host, err := hostOf(server)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("the error is more than a line: %q", err)
			}
			return
		}
		target := "/v1/credentials/" + host
		// What goes into the request line arrives as it is, as one element of the path.
		if u, err := url.ParseRequestURI(target); err != nil || u.Path != target || path.Clean(target) != target || path.Dir(target) != "/v1/credentials" {
			t.Errorf("%q makes the path %q: %v", server, target, err)
		}
		if again, err := hostOf(host); err != nil || again != host {
			t.Errorf("hostOf(%q) = %q, %v", host, again, err)
		}
	})
}

func TestServerOf(t *testing.T) {
	tests := []struct {
		name, input, want string
		wantErr           bool
	}{
		{"docker's", `{"ServerURL":"h","Username":"AWS","Secret":"s3cret"}` + "\n", "h", false},
		{"spread over lines", "{\"ServerURL\":\n\"h\"}", "h", false},
		{"no server", `{"Username":"AWS"}`, "", false},
		{"empty", "", "", true},
		{"not JSON", "s3cret", "", true},
		{"cut off", `{"ServerURL":"h","Secret":"s3cret`, "", true},
		{"another type", `{"ServerURL":["s3cret"]}`, "", true},
		{"two values", `{"ServerURL":"h"}{"Secret":"s3cret"}`, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := serverOf([]byte(tt.input))
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func FuzzServerOf(f *testing.F) {
	f.Add([]byte(`{"ServerURL":"h","Username":"AWS","Secret":"s"}`))
	f.Add([]byte(`{"serverurl":"\u0000"}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		_, first := serverOf(input)
		_, second := serverOf([]byte("x"))
		if first != nil && first.Error() != second.Error() {
			t.Errorf("the error depends on the input: %v", first)
		}
	})
}
