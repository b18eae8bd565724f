package login

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"
)

const canary = "canary-8d2f"

// holder hides the login in an unexported field, where fmt does not call methods.
type holder struct {
	Public  Login
	private Login
	pointer *Login
}

func TestSecretNeverPrintsItself(t *testing.T) {
	l := Token{Username: "AWS", Secret: NewSecret(canary), ExpiresAt: time.Unix(0, 0)}.For("h")
	h := holder{l, l, &l}
	var zapped, slogged bytes.Buffer
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()),
		zapcore.AddSync(&zapped), zap.DebugLevel))
	logger.Info("m", zap.Any("login", l), zap.Any("secret", l.Secret), zap.Reflect("holder", h), zap.Stringer("s", l.Secret))
	slog.New(slog.NewJSONHandler(&slogged, nil)).Info("m", "login", l, "holder", h)
	inJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	inYAML, err := yaml.Marshal(l.Secret)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{"json": string(inJSON), "yaml": string(inYAML), "zap": zapped.String(), "slog": slogged.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs["holder "+verb] = fmt.Sprintf(verb, h)
		outputs["secret "+verb] = fmt.Sprintf(verb, l.Secret)
		outputs["pointer "+verb] = fmt.Sprintf(verb, &h)
	}
	outputs["error"] = fmt.Errorf("store %v", l).Error()
	for where, out := range outputs {
		if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
			t.Errorf("%s shows the secret: %s", where, out)
		}
	}
	if l.Secret.Reveal() != canary {
		t.Error("Reveal does not give the secret back")
	}
}

func TestForFillsInTheOwnAccount(t *testing.T) {
	tests := []struct{ name, account, host, want string }{
		{"own account", "111122223333", OwnAccount + ".dkr.ecr.eu-west-1.amazonaws.com", "111122223333.dkr.ecr.eu-west-1.amazonaws.com"},
		{"named host", "111122223333", "images.example.cn", "images.example.cn"},
		{"public", "", "public.ecr.aws", "public.ecr.aws"},
	}
	for _, tt := range tests {
		if got := (Token{Account: tt.account}).For(tt.host).Host; got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBasicAndEqual(t *testing.T) {
	tok := Token{Username: "AWS", Secret: NewSecret("pw")}
	if got := tok.Basic().Reveal(); got != "QVdTOnB3" {
		t.Errorf("Basic = %q", got)
	}
	if !tok.Secret.Equal(NewSecret("pw")) || tok.Secret.Equal(NewSecret("px")) || tok.Secret.Equal(Secret{}) {
		t.Error("Equal compares wrongly")
	}
	if !(Secret{}).IsZero() || tok.Secret.IsZero() {
		t.Error("IsZero is wrong")
	}
}
