package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKubelet asks with the kubelet's own code and the guide's configuration. The kubelet keeps
// what it gets, and is asked for longer than a token lives.
func TestKubelet(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("kubelet-login")
	if err != nil {
		lacks(t, fmt.Errorf("kubelet-login: not found; run `make clients`"))
	}
	s := newScene(t, cloudKubelet, 20*time.Second)
	host, root := s.cloud.hosts()[0], s.home()
	d := s.startDaemon(root, s.write("registries: [{host: "+host+"}]\ntargets: [{type: docker-config}]\n"+s.settings(s.aws.Endpoint())))
	await(t, func() (bool, string) { _, err := s.get(root, host); return err == nil, fmt.Sprint(err) })

	example, err := os.ReadFile("../../deploy/examples/kubelet/config.yaml")
	must(t, err)
	config := filepath.Join(root.Home, "kubelet.yaml")
	must(t, os.WriteFile(config, fmt.Appendf(example, "      - \"*.example\"\n    env: [{name: ECR_REFRESHD_SOCKET, value: %q}]\n", s.socket()), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	kubelet := s.bed.Command(ctx, root, nil, program, config, s.bin)
	questions, err := kubelet.StdinPipe()
	must(t, err)
	out, err := kubelet.StdoutPipe()
	must(t, err)
	log := new(journal)
	kubelet.Stderr = log
	must(t, kubelet.Start())
	answers := bufio.NewReader(out)
	ask := func(image string) []login {
		t.Helper()
		_, err := fmt.Fprintln(questions, image)
		must(t, err)
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatalf("%v\n%s", err, log.text())
		}
		var got []struct{ Username, Password string }
		must(t, json.Unmarshal([]byte(line), &got))
		var logins []login
		for _, l := range got {
			s.printed.password(l.Username, l.Password)
			logins = append(logins, login{l.Username, l.Password})
		}
		return logins
	}
	image := host + "/app/web:1"
	good := func() login {
		t.Helper()
		got := ask(image)
		if len(got) != 1 {
			t.Fatalf("%d logins for %q\n%s", len(got), image, log.text())
		}
		if err := s.aws.Check(host, got[0].username, got[0].password); err != nil {
			t.Errorf("a login that does not get in: %v", err)
		}
		return got[0]
	}
	first := good()
	if again := good(); again != first {
		t.Error("the kubelet does not keep a login")
	}
	seen := map[login]bool{first: true}
	await(t, func() (bool, string) {
		seen[good()] = true
		return len(seen) == 3, fmt.Sprintf("%d tokens, want three", len(seen))
	})
	if got := ask(s.cloud.others[0] + "/app"); len(got) > 0 {
		t.Errorf("%d logins for another registry", len(got))
	}

	// Without a daemon the kubelet's journal has the cause, and it pulls without a login.
	d.kill()
	await(t, func() (bool, string) { return len(ask(image)) == 0, "the end of what the kubelet keeps" })
	await(t, func() (bool, string) { // the journal is written now and then, and at the kubelet's own pace
		return strings.Contains(log.text(), "ecr-refreshd: no daemon"), "the cause in the kubelet's journal: " + log.text()
	})
	must(t, questions.Close())
	_, _ = io.Copy(io.Discard, answers)
	must(t, kubelet.Wait())
	s.printed.add("kubelet", []byte(log.text()))
}
