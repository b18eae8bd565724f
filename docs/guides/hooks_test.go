package guides

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/targets"
)

// TestHooksReadTheDaemonsJSON runs the scripts of the guide as the daemon does, with a kubectl that
// keeps what it gets.
func TestHooksReadTheDaemonsJSON(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv(noSkipVariable) == "" {
			t.Skip("needs jq (apt-get install jq)")
		}
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte("#!/bin/sh\ncat >"+dir+"/secret.json\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	const host, password = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "pass+word/="
	logins := []login.Login{login.Token{Username: "AWS", Secret: login.NewSecret(password), ExpiresAt: time.Now().Add(time.Hour)}.For(host)}
	run := func(name, result string, into any) {
		t.Helper()
		script := filepath.Join(dir, name)
		content := strings.ReplaceAll(text(t, example("hooks/"+name)), "/run/airflow-ecr", dir)
		if err := os.WriteFile(script, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		c, err := config.Parse("hooks", []byte("registries: [{host: "+host+"}]\ntargets: [{type: exec, command: [/usr/bin/env, \"PATH="+dir+":"+os.Getenv("PATH")+"\", "+script+"]}]\n"), targets.Kinds)
		if err != nil {
			t.Fatal(err)
		}
		target, err := c.Targets[0].Options.New()
		if err != nil {
			t.Fatal(err)
		}
		if err := target.Store(context.Background(), logins); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text(t, filepath.Join(dir, result))), into); err != nil {
			t.Fatal(err)
		}
	}
	var secret struct {
		Kind, Type string
		StringData map[string]string `json:"stringData"`
	}
	run("pull-secret", "secret.json", &secret)
	var docker struct {
		Auths map[string]struct{ Username, Password, Auth string }
	}
	if err := json.Unmarshal([]byte(secret.StringData[".dockerconfigjson"]), &docker); err != nil {
		t.Fatal(err)
	}
	if got := docker.Auths[host]; secret.Kind != "Secret" || secret.Type != "kubernetes.io/dockerconfigjson" ||
		got.Username != "AWS" || got.Password != password || got.Auth != logins[0].Basic().Reveal() {
		t.Errorf("the secret is %+v", secret)
	}
	var connections map[string]struct{ Host, Login, Password string }
	run("airflow-connections", "connections.json", &connections)
	if got := connections["ecr_111122223333_us-east-1"]; got.Host != host || got.Login != "AWS" || got.Password != password {
		t.Errorf("the connections are %v", connections)
	}
}
