package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/emulator"
)

// started runs the emulator until the test ends, and gives the settings that
// it prints, its log once it has stopped, and the stop.
func started(t *testing.T, args ...string) (settings map[string]string, stop func() (code int, log string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, args, in, &stderr)
		in.Close()
		ended <- code
	}()
	settings = map[string]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "unset AWS_SESSION_TOKEN" {
		assignment, ok := strings.CutPrefix(lines.Text(), "export ")
		name, value, isSet := strings.Cut(assignment, "=")
		if !ok || !isSet {
			t.Errorf("not an export line: %q", lines.Text())
		}
		settings[name] = value
	}
	t.Cleanup(cancel)
	return settings, func() (int, string) {
		cancel()
		return <-ended, stderr.String()
	}
}

func TestPrintsSettingsThenCalls(t *testing.T) {
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	settings, stop := started(t, "--region", "eu-west-1", "--ca-out", caFile, "--token-life", "1m")
	for name, want := range map[string]string{
		"AWS_ACCESS_KEY_ID": emulator.DefaultPrincipal().AccessKeyID, "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1",
		"AWS_SECRET_ACCESS_KEY": emulator.DefaultPrincipal().SecretAccessKey,
	} {
		if settings[name] != want {
			t.Errorf("%s=%q, want %q", name, settings[name], want)
		}
	}
	if ca, err := os.ReadFile(caFile); err != nil || !x509.NewCertPool().AppendCertsFromPEM(ca) {
		t.Errorf("the CA file: %v", err)
	}
	resp, err := http.Post(settings["AWS_ENDPOINT_URL"], "application/x-www-form-urlencoded", strings.NewReader("Action=GetCallerIdentity"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	code, log := stop()
	if want := `sts:GetCallerIdentity error="MissingAuthenticationToken" status=403`; code != exitOK || !strings.Contains(log, want) {
		t.Errorf("exit code %d, log %q; want 0, %q", code, log, want)
	}
	if strings.Contains(log, emulator.DefaultPrincipal().SecretAccessKey) {
		t.Error("the log shows the secret key")
	}
}

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name       string
		args       []string
		want       int
		wantOutput string
	}{
		{"help", []string{"-h"}, exitOK, "--token-life 1m"},
		{"unknown flag", []string{"--bogus"}, exitUsage, "bogus"},
		{"argument", []string{"run"}, exitUsage, `"run"`},
		{"short account", []string{"--accounts", "12345"}, exitUsage, `"12345"`},
		{"no region", []string{"--region", "Europe"}, exitUsage, `"Europe"`},
		{"no life", []string{"--token-life", "0s"}, exitUsage, "--token-life 0s"},
		{"every address", []string{"--listen", ":8080"}, exitUsage, "--allow-remote"},
		{"foreign registry address", []string{"--registry-listen", "192.0.2.1:443"}, exitUsage, "192.0.2.1"},
		{"no address", []string{"--listen", "8080"}, exitUsage, "8080"},
		{"address that is none of ours", []string{"--allow-remote", "--listen", "192.0.2.1:1"}, exitFailed, "192.0.2.1"},
		{"CA file that cannot be", []string{"--ca-out", "/nonexistent/ca.pem"}, exitFailed, "/nonexistent/ca.pem"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var output bytes.Buffer
			if got := run(ctx, tt.args, &output, &output); got != tt.want || !strings.Contains(output.String(), tt.wantOutput) {
				t.Errorf("exit code %d, %q; want %d, %q", got, output.String(), tt.want, tt.wantOutput)
			}
		})
	}
}

func TestOnlyLoopbackByDefault(t *testing.T) {
	tests := []struct {
		addr string
		want bool
	}{
		{"127.0.0.1:0", true}, {"127.8.9.1:80", true}, {"[::1]:0", true}, {"localhost:0", true},
		{":0", false}, {"0.0.0.0:0", false}, {"[::]:0", false}, {"192.0.2.1:0", false}, {"example.com:0", false}, {"127.0.0.1", false},
	}
	for _, tt := range tests {
		if got := isLoopback(tt.addr); got != tt.want {
			t.Errorf("isLoopback(%q) = %t, want %t", tt.addr, got, tt.want)
		}
	}
	settings, stop := started(t, "--allow-remote", "--listen", "0.0.0.0:0")
	if code, log := stop(); code != exitOK || settings["AWS_ENDPOINT_URL"] == "" {
		t.Errorf("--allow-remote: exit code %d, %q", code, log)
	}
}
