package credhelper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// asked is a request as the kubelet of Kubernetes 1.36 writes it.
const asked = `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"%s"}`

// kubelet runs the command and returns what went to both outputs.
func kubelet(h *Helper, request string) (out, errOut string, code int) {
	var o, e bytes.Buffer
	code = h.Run([]string{"kubelet"}, strings.NewReader(request), &o, &e)
	return o.String(), e.String(), code
}

func TestTheKubeletGetsALogin(t *testing.T) {
	const head = "HTTP/1.0 200 OK\r\nX-Expires-At: %s\r\nContent-Length: %d\r\n\r\n%s"
	login := `{"ServerURL":"` + ecrHost + `","Username":"AWS","Secret":"s3cret"}`
	empty := `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"0s"}` + "\n"
	tests := []struct {
		name, image, answer string
		want, wantErr       string
	}{
		{name: "repository and tag", image: ecrHost + "/app/web:1"},
		{name: "digest", image: ecrHost + "/app@sha256:" + strings.Repeat("0", 64)},
		{name: "letter case", image: strings.ToUpper(ecrHost) + "/app"},
		{name: "no registry of ours", image: "quay.io/app", answer: reply(404, "not ours"), want: empty},
		{name: "Docker Hub", image: "busybox", answer: reply(404, "not ours"), want: empty},
		{name: "no host at all", image: "_?!/app", want: empty},
		{name: "no token", image: ecrHost + "/app", answer: reply(503, "no token\x1b[31m; wait"), wantErr: "ecr-refreshd: no token [31m; wait\n"},
		{name: "not allowed", image: ecrHost + "/app", answer: reply(403, "not you"), wantErr: "ecr-refreshd: not you\n"},
		{name: "no login in it", image: ecrHost + "/app", answer: reply(200, `{"Username":"AWS"}`),
			wantErr: `ecr-refreshd: the daemon's answer makes no sense: it is not JSON with "Username" and "Secret"` + "\n"},
		{name: "no time", image: ecrHost + "/app", answer: fmt.Sprintf(head, "soon", len(login), login), wantErr: "its X-Expires-At is not a time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := socket(t)
			expires := time.Now().Add(10 * time.Hour)
			listen(t, path, func(_ int, c net.Conn) {
				if got := take(c); tt.answer == "" && !strings.HasPrefix(got, "GET /v1/credentials/"+ecrHost+"?wait=") {
					t.Errorf("it asks %q", got)
				}
				if tt.answer == "" {
					tt.answer = fmt.Sprintf(head, expires.Format(time.RFC3339), len(login), login)
				}
				_, _ = io.WriteString(c, tt.answer)
			})
			h := helper(path)
			h.onError = notFound // is for docker's clients: the kubelet pulls on without a login anyway
			out, errOut, code := kubelet(h, fmt.Sprintf(asked, tt.image))
			switch {
			case tt.wantErr != "":
				if code != 1 || out != "" || !strings.Contains(errOut, tt.wantErr) {
					t.Errorf("got %d, %q, %q, want %q", code, out, errOut, tt.wantErr)
				}
				return
			case code != 0 || errOut != "":
				t.Fatalf("got %d, %q", code, errOut)
			case tt.want != "":
				if out != tt.want {
					t.Errorf("got %s want %s", out, tt.want)
				}
				return
			}
			var got struct{ CacheDuration string }
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			kept, err := time.ParseDuration(got.CacheDuration)
			if err != nil || kept > 9*time.Hour || !time.Now().Add(kept).After(expires.Add(-time.Hour-time.Minute)) {
				t.Errorf("it may be kept %s, %v", got.CacheDuration, err)
			}
			want := `{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Registry","cacheDuration":"` + got.CacheDuration +
				`","auth":{"` + ecrHost + `":{"username":"AWS","password":"s3cret"}}}` + "\n"
			if out != want {
				t.Errorf("got %s want %s", out, want)
			}
		})
	}
}

func TestTheKubeletIsRefusedInOneLine(t *testing.T) {
	request := fmt.Sprintf(asked, ecrHost+"/app")
	tests := []struct{ name, request, want string }{
		{"nothing", "", "standard input is no CredentialProviderRequest"},
		{"a server, as docker names it", ecrHost, "standard input is no CredentialProviderRequest"},
		{"another kind", strings.Replace(request, "Request", "Response", 1), "standard input is no CredentialProviderRequest"},
		{"an older version", strings.Replace(request, "/v1", "/v1beta1", 1), `the kubelet speaks "credentialprovider.kubelet.k8s.io/v1beta1", and not credentialprovider.kubelet.k8s.io/v1; write`},
		{"no image", fmt.Sprintf(asked, ""), "names no image"},
		{"a control character", fmt.Sprintf(asked, `a\nb/app`), "control character"},
		{"no daemon", request, "no daemon"},
		{"too long", `{"serviceAccountToken":"s3cret","x":"` + strings.Repeat("y", kubeletLimit) + `"}`, "longer than 1048576 bytes"},
		{"half", `{"serviceAccountToken":"s3cret`, "standard input is no CredentialProviderRequest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, errOut, code := kubelet(helper(socket(t)), tt.request)
			if code != 1 || out != "" || !strings.Contains(errOut, tt.want) || strings.Count(errOut, "\n") != 1 || strings.Contains(errOut, "s3cret") {
				t.Errorf("got %d, %q, %q, want %q", code, out, errOut, tt.want)
			}
		})
	}
	// Without a daemon, another registry's images are none of our business.
	if out, errOut, code := kubelet(helper(socket(t)), fmt.Sprintf(asked, "quay.io/app")); code != 0 || errOut != "" || !strings.Contains(out, `"cacheDuration":"0s"`) {
		t.Errorf("another registry: %d, %q, %q", code, out, errOut)
	}
}

func TestALoginIsKeptForNineTenthsOfItsRest(t *testing.T) {
	for rest, want := range map[time.Duration]string{12 * time.Hour: "10h48m0s", time.Minute: "54s", time.Second: "0s", -time.Hour: "0s"} {
		if got := cacheFor(rest).String(); got != want {
			t.Errorf("%s: got %s, want %s", rest, got, want)
		}
	}
}
