package e2e

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"
)

// transcript is all that the processes of a test have printed, and all the
// secrets that they could have printed. Safe for concurrent use.
type transcript struct {
	mu      sync.Mutex
	printed []output
	secrets map[string]bool
}

type output struct{ by, text string }

// leastSecret keeps an empty or truncated entry from matching everything.
const leastSecret = 20

func newTranscript(secrets ...string) *transcript {
	p := &transcript{secrets: map[string]bool{}}
	for _, s := range secrets {
		p.secret(s)
	}
	return p
}

func (p *transcript) add(by string, text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.printed = append(p.printed, output{by, string(text)})
}

// secret makes known what must not be seen.
func (p *transcript) secret(s string) {
	if len(s) < leastSecret {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets[s] = true
}

// password makes known the password of a login, in the forms in which it travels.
func (p *transcript) password(username, password string) {
	p.secret(password)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		p.secret(strings.TrimRight(encoding.EncodeToString([]byte(username+":"+password)), "="))
	}
}

// shown gives who printed a secret.
func (p *transcript) shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var by []string
	for _, o := range p.printed {
		for s := range p.secrets {
			if strings.Contains(o.text, s) {
				by = append(by, o.by)
				break
			}
		}
	}
	return by
}

func (p *transcript) check(t *testing.T) {
	t.Helper()
	for _, by := range p.shown() {
		t.Errorf("%q has printed a secret", by)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	bytes := 0
	for _, o := range p.printed {
		bytes += len(o.text)
	}
	t.Logf("searched %d bytes, printed by %d processes, for %d secrets", bytes, len(p.printed), len(p.secrets))
}

func TestTheSearchFindsASecret(t *testing.T) {
	const password = "a-password-of-some-length"
	basic := base64.StdEncoding.EncodeToString([]byte("AWS:" + password))
	tests := []struct {
		name, text string
		want       bool
	}{
		{"nothing", "token renewed", false},
		{"plain", `{"error": "a-password-of-some-length"}`, true},
		{"basic", "Authorization: Basic " + basic, true},
		{"part", "a-password-of", false},
	}
	for _, tt := range tests {
		p := newTranscript()
		p.password("AWS", password)
		p.add(tt.name, []byte(tt.text))
		if got := len(p.shown()) > 0; got != tt.want {
			t.Errorf("%s: found %t, want %t", tt.name, got, tt.want)
		}
	}
}
