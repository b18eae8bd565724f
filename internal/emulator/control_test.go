package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestControlAPI(t *testing.T) {
	s := start(t, Options{})
	ask := func(method, path, body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint()+"/_emulator/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return fetch(t, http.DefaultClient, r)
	}
	tryECR := func() string {
		_, err := ecrClient(s).GetAuthorizationToken(t.Context(), nil)
		return code(err)
	}
	if status, body := ask("GET", "ca", ""); status != 200 || body != string(s.CA()) {
		t.Errorf("ca: %d %s", status, body)
	}
	if status, body := ask("POST", "faults", `{"operation": "GetAuthorizationToken", "status": 400, "code": "A"}`); status != 201 || !strings.Contains(body, `"id":1`) {
		t.Errorf("first fault: %d %s", status, body)
	}
	if status, _ := ask("POST", "faults", `{"code": "B"}`); status != 201 {
		t.Errorf("second fault: %d", status)
	}
	if got := tryECR(); got != "A" {
		t.Errorf("with both faults: %q", got)
	}
	if status, _ := ask("DELETE", "faults/1", ""); status != 204 {
		t.Errorf("delete one: %d", status)
	}
	if status, _ := ask("DELETE", "faults/1", ""); status != 404 {
		t.Errorf("delete one again: %d", status)
	}
	if got := tryECR(); got != "B" {
		t.Errorf("with the second fault: %q", got)
	}
	if status, _ := ask("DELETE", "faults", ""); status != 204 {
		t.Errorf("delete all: %d", status)
	}
	if got := tryECR(); got != "" {
		t.Errorf("without faults: %q", got)
	}
	var calls []Call
	_, body := ask("GET", "calls", "")
	if err := json.Unmarshal([]byte(body), &calls); err != nil || len(calls) != 3 || calls[0].Code != "A" || calls[2].Status != 200 {
		t.Errorf("calls: %v %s", err, body)
	}
	if status, _ := ask("GET", "other", ""); status != 404 {
		t.Errorf("another path: %d", status)
	}
}

func TestReadFault(t *testing.T) {
	minus := -time.Hour
	tests := []struct {
		name, in string
		want     Fault
		wantErr  string
	}{
		{"everything", `{"operation":"o","region":"r","times":2,"status":503,"code":"C","message":"m","delay":"1s","drop":true,"body":"b"}`,
			Fault{Operation: "o", Region: "r", Times: 2, Status: 503, Code: "C", Message: "m", Delay: time.Second, Drop: true, Body: "b"}, ""},
		{"expiry", `{"expires_in":"-1h"}`, Fault{ExpiresIn: &minus}, ""},
		{"misspelt", `{"operatoin":"x"}`, Fault{}, "operatoin"},
		{"bad delay", `{"delay":"soon"}`, Fault{}, "soon"},
		{"bad expiry", `{"expires_in":"never"}`, Fault{}, "never"},
		{"bad status", `{"status":7}`, Fault{}, "status 7"},
		{"empty", ``, Fault{}, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readFault(strings.NewReader(tt.in))
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("%v, want %q", err, tt.wantErr)
				}
				return
			}
			if got.ExpiresIn != nil && tt.want.ExpiresIn != nil && *got.ExpiresIn == *tt.want.ExpiresIn {
				got.ExpiresIn = tt.want.ExpiresIn
			}
			if err != nil || got != tt.want {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func FuzzReadFault(f *testing.F) {
	f.Add([]byte(`{"operation":"registry","times":1,"delay":"1s","expires_in":"-1h"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readFault(bytes.NewReader(in))
		if err == nil && got.Status != 0 && (got.Status < 200 || got.Status > 599) {
			t.Errorf("a status that net/http panics on is taken: %+v", got)
		}
	})
}
