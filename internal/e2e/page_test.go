package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/page"
	"ecr-refreshd/internal/status"
	"ecr-refreshd/internal/testbed"
)

// keep is where the reports and the terminal's text of TestPageSaysWhatIsWrong are kept, from which
// make screenshots draws.
var keep = flag.String("keep", "", "the directory for what TestPageSaysWhatIsWrong has seen; empty keeps nothing")

// settled replaces the names of the test bed by those that the documentation uses.
func (w *watcher) settled() *strings.Replacer {
	return strings.NewReplacer(w.cloud.accounts()[0], "111122223333", w.cloud.accounts()[1], "444455556666", w.cloud.profile(), "ci",
		strings.TrimPrefix(w.engine.Host(), "unix://"), "/run/docker.sock", w.bin, "/usr/bin", "(devel)", "0.1.0")
}

// watcher is a host with the usual places, of which the page says how it stands.
type watcher struct {
	*scene
	root testbed.Account
	env  []string
}

const (
	usualConfig = "/etc/ecr-refreshd/config.yaml"
	agentConfig = "/srv/jenkins/.docker/config.json"
)

// TestPageSaysWhatIsWrong breaks a host in five ways and wants the page to say what is wrong
// and what to do.
func TestPageSaysWhatIsWrong(t *testing.T) {
	s := newScene(t, cloudPage, 12*time.Hour)
	w := &watcher{scene: s, root: s.bed.Root(), env: append(s.clientEnv(s.engine), "ECR_REFRESHD_SOCKET=")}
	w.root.Home = "/root"
	for _, dir := range []string{"/root", "/srv"} { // private to the bed, and empty
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0755"))
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	must(t, errors.Join(os.MkdirAll(filepath.Dir(usualConfig), 0o755), os.MkdirAll("/srv/jenkins", 0o755)))
	targets := "targets:\n  - {type: engine}\n  - {type: docker-config, path: " + agentConfig + "}\n"
	access := fmt.Sprintf("aws: {profile: %s, endpoint_url: %q}\n", s.cloud.profile(), s.aws.Endpoint())
	good := s.registries() + targets + access
	s.rewrite(usualConfig, good)

	d := s.startDaemon(w.root, usualConfig, w.env...)
	w.see("well", "Everything is well: 4 registries are logged in.")
	if out, code := s.run(w.root, w.env, "", s.binary, "configure-docker"); code != 0 {
		t.Fatal(out)
	}

	allow := s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Region: "eu-west-1", Status: http.StatusBadRequest, Code: "AccessDeniedException",
		Message: "User: arn:aws:iam::" + s.cloud.accounts()[0] + ":user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action"})
	w.refresh()
	w.see("denied", "2 of 4 registries need attention; pulls still work.", "AWS refuses to give a token", "allow <code>ecr:GetAuthorizationToken</code>", "Pulls still work, until the first of the tokens ends in 11 h 59 min")
	w.terminal("status", "doctor "+s.cloud.hosts()[2])
	allow()

	full := filepath.Join("/srv", "build.log")
	fill(t, full)
	w.refresh()
	w.see("disk-full", "4 of 4 registries need attention.", "The login cannot be stored in docker-config", "no space left on device")
	must(t, os.Remove(full))
	w.refresh()

	s.rewrite(usualConfig, strings.Replace(good, "regions:", "region_names:", 1))
	d.signal(syscall.SIGHUP)
	w.see("config-refused", "4 registries are logged in, but 1 thing needs attention.", "The changed configuration is not in force", "region_names")
	d.stop()

	// The one token that AWS gives ends soon, and no other follows.
	short := 3 * time.Second
	s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Times: 2, ExpiresIn: &short})
	s.aws.Inject(emulator.Fault{Operation: "GetAuthorizationToken", Status: http.StatusBadRequest, Code: "UnrecognizedClientException",
		Message: "The security token included in the request is invalid."})
	s.rewrite(usualConfig, good)
	d = s.startDaemon(w.root, usualConfig, w.env...)
	w.see("expired", "4 of 4 registries have no valid token: pulls fail.", "AWS refuses to give a token", "Pulls fail: the tokens have expired, the first", "!expired now", "!>failing<")
	d.stop()

	// By its real names, AWS is not to be reached from here.
	must(t, os.WriteFile("/etc/resolv.conf", []byte("nameserver 192.0.2.53\n"), 0o644))
	must(t, os.RemoveAll(filepath.Join(s.bed.Dir, "state")))
	s.rewrite(usualConfig, s.registries()+targets+"aws: {profile: "+s.cloud.profile()+"}\n")
	d = s.startDaemon(w.root, usualConfig, w.env...)
	w.see("no-network", "4 of 4 registries have no valid token: pulls fail.", "AWS cannot be reached", "Pulls fail: there has been no token since the program started.", "check DNS, firewall and proxy")
	d.stop()
}

// refresh makes the daemon renew everything now.
func (w *watcher) refresh() {
	_, _ = w.run(w.root, w.env, "", w.binary, "refresh") // what failed is on the page
}

// see waits until the page of the running daemon has all of these texts, without those after a
// "!", and keeps the report.
func (w *watcher) see(name string, texts ...string) {
	w.t.Helper()
	var report status.Report
	var shown string
	await(w.t, func() (bool, string) {
		out, err := w.bed.Command(w.t.Context(), w.root, w.env, w.binary, "status", "--output", "json").Output()
		w.printed.add("status", out)
		if json.Unmarshal(out, &report) != nil {
			return false, "the status: " + err.Error()
		}
		body := httptest.NewRecorder()
		page.New(func() status.Report { return report }).ServeHTTP(body, httptest.NewRequest("GET", "/", nil))
		shown = body.Body.String()
		missing := slices.IndexFunc(texts, func(text string) bool {
			text, not := strings.CutPrefix(text, "!")
			return strings.Contains(plain.Replace(shown), text) == not
		})
		if missing < 0 {
			return true, ""
		}
		return false, texts[missing] + " in the page:\n" + shown
	})
	raw, err := json.MarshalIndent(struct {
		Now    time.Time     `json:"now"`
		Report status.Report `json:"report"`
	}{time.Now().UTC(), report}, "", " ")
	must(w.t, err)
	w.keep(name+".json", raw)
}

// plain is how the page's text reads.
var plain = strings.NewReplacer("&#34;", `"`, "&#39;", "'")

// terminal keeps what the commands print on a terminal.
func (w *watcher) terminal(commands ...string) {
	w.t.Helper()
	var all strings.Builder
	for _, c := range commands {
		out, _ := w.run(w.root, append(slices.Clone(w.env), "TERM=xterm"), "", "script", "-qec", "stty cols 150; "+w.binary+" "+c, "/dev/null")
		all.WriteString("$ sudo ecr-refreshd " + c + "\n" + strings.ReplaceAll(out, "\r\n", "\n") + "\n")
	}
	w.keep("terminal.txt", []byte(strings.TrimRight(all.String(), "\n")+"\n"))
}

func (w *watcher) keep(name string, raw []byte) {
	w.t.Helper()
	if *keep != "" {
		must(w.t, os.WriteFile(filepath.Join(*keep, name), []byte(w.settled().Replace(string(raw))), 0o644))
	}
}
