package clientview

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
)

const ecrHost = "111122223333.dkr.ecr.us-east-1.amazonaws.com"

func TestDockersAnswers(t *testing.T) {
	if len(rows) < 60 {
		t.Errorf("the table has %d rows only", len(rows))
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			r.lay(t, s)
			a := r.eye(s).Look(Docker, s.host)
			r.compare(t, s, a)
		})
	}
}

func TestSkopeosAnswers(t *testing.T) {
	for _, r := range containersRows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			r.lay(t, s)
			r.compare(t, s, r.eye(s).Look(Skopeo, s.host))
		})
	}
}

func TestPodmanGivesUpWhereAVariableLeadsToNoFile(t *testing.T) {
	for _, variable := range []string{"REGISTRY_AUTH_FILE", "DOCKER_CONFIG"} {
		s := site{ecrHost, t.TempDir()}
		r := row{config: `{` + fine + `}`, env: map[string]string{variable: "HOME/none"}, fault: variable}
		r.lay(t, s)
		r.compare(t, s, r.eye(s).Look(Podman, s.host))
	}
}

func TestHelmsAnswers(t *testing.T) {
	for _, r := range helmRows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{ecrHost, t.TempDir()}
			r.lay(t, s)
			r.compare(t, s, r.eye(s).Look(Helm, s.host))
		})
	}
}

func (r row) compare(t *testing.T, s site, a Answer) {
	t.Helper()
	if want := s.fill(r.key); a.Key != want || r.line != 0 && a.Line != r.line {
		t.Errorf("decides: got %q in line %d, want %q in line %d", a.Key, a.Line, want, r.line)
	}
	if a.Helper != r.helper || a.Ours() != (r.helper == ownHelper) {
		t.Errorf("helper: got %q, want %q", a.Helper, r.helper)
	}
	if a.File == "" && !strings.HasPrefix(a.Key, authVariable) && a.Helper == "" {
		t.Error("no file is named")
	}
	var hidden []string
	for _, p := range a.Hidden {
		hidden = append(hidden, p.Key)
	}
	for i, key := range r.hidden {
		r.hidden[i] = s.fill(key)
	}
	if !slices.Equal(hidden, r.hidden) {
		t.Errorf("hides: got %q, want %q", hidden, r.hidden)
	}
	if got := a.Secret.Reveal(); got != secrets[r.sends] || r.sends != "" && a.Username != "AWS" {
		t.Errorf("sends: got %q %q, want %q", a.Username, got, secrets[r.sends])
	}
	if a.Chance != r.chance || a.Before != r.before {
		t.Errorf("chance %v before %d, want %v %d", a.Chance, a.Before, r.chance, r.before)
	}
	notes := strings.Join(a.Notes, "\n")
	if !strings.Contains(notes, s.fill(r.note)) {
		t.Errorf("notes: got %q, want %q", notes, s.fill(r.note))
	}
	var text string
	if a.Fault != nil {
		text = a.Fault.Error() + "; " + a.Fault.Hint
		if a.Fault.Reason != fault.Local || !a.Fault.Concerns(s.host) || a.Fault.Concerns("x") || a.Fault.Hint == "" {
			t.Errorf("fault: %+v", a.Fault)
		}
	}
	if (r.fault == "") != (a.Fault == nil) || !strings.Contains(text, s.fill(r.fault)) {
		t.Errorf("fault: got %q, want %q", text, s.fill(r.fault))
	}
	if shown := fmt.Sprintf("%+v %s", a, text); strings.Contains(shown, "s3cret") || strings.Contains(shown, auth("s3cret")[:10]) {
		t.Errorf("a secret shows: %s", shown)
	}
}
