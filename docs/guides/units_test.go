package guides

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// noSkipVariable turns what lacks from a reason to skip into a failure.
const noSkipVariable = "ECR_REFRESHD_NO_SKIP"

func TestSystemdUnderstandsTheUnits(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv(noSkipVariable) == "" {
			t.Skip("needs systemd-analyze (apt-get install systemd)")
		}
		t.Fatal(err)
	}
	ours := filepath.Join(root, "deploy", "systemd")
	tests := []struct {
		name  string
		unit  string
		files map[string]string // as the unit's directory has them, and where they are from
	}{
		{"an agent", "jenkins-agent.service", map[string]string{
			"jenkins-agent.service": example("jenkins-agent/jenkins-agent.service"),
		}},
		{"the socket with its drop-in", "ecr-refreshd.socket", map[string]string{
			"ecr-refreshd.socket":               filepath.Join(ours, "ecr-refreshd.socket"),
			"ecr-refreshd.service":              filepath.Join(ours, "ecr-refreshd.service"),
			"ecr-refreshd.socket.d/agents.conf": example("many-agents/socket.conf"),
		}},
		{"the service with the drop-ins for files and hooks", "ecr-refreshd.service", map[string]string{
			"ecr-refreshd.socket":                        filepath.Join(ours, "ecr-refreshd.socket"),
			"ecr-refreshd.service":                       filepath.Join(ours, "ecr-refreshd.service"),
			"ecr-refreshd.service.d/password-files.conf": example("password-files/service.conf"),
			"ecr-refreshd.service.d/hooks.conf":          example("hooks/service.conf"),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			units := t.TempDir()
			for name, from := range tt.files {
				// A program that is there, whatever this machine has.
				content := strings.NewReplacer("=/usr/bin/java ", "=/bin/true ", "=/usr/bin/ecr-refreshd ", "=/bin/true ").Replace(text(t, from))
				to := filepath.Join(units, name)
				if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(to, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(tool, "verify", "--man=no", filepath.Join(units, tt.unit))
			cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+units+":", "SYSTEMD_COLORS=0", "LC_ALL=C.UTF-8")
			out, err := cmd.CombinedOutput()
			t.Logf("%v\n%s", err, out)
			for line := range strings.Lines(string(out)) {
				if about := strings.Contains(line, units) || strings.Contains(line, tt.unit); about && !strings.Contains(line, "notify-reload") {
					t.Error(strings.TrimSpace(line))
				}
			}
		})
	}
}
