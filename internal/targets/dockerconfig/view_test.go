package dockerconfig

import (
	"fmt"
	"strings"
	"testing"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// TestALoginThatDockerWouldNotSendIsAFault: docker gives up a whole file because of one key,
// and pulls without a login; that the login is in the file is not enough.
func TestALoginThatDockerWouldNotSendIsAFault(t *testing.T) {
	tests := []struct {
		name, file string
		key        string // in the fault
		corrected  string // by a person; what else is in the file stays
		helper     bool   // docker goes on to ask our helper all the same
	}{
		{"experimental", `{"experimental": true, "psFormat": "x"}`, "experimental", `"experimental": true, `, true},
		{"proxies", `{"proxies": {"default": "http://p:3128"}, "psFormat": "x"}`, "proxies.default", `"proxies": {"default": "http://p:3128"}, `, true},
		{"HttpHeaders", `{"HttpHeaders": {"a": 1}, "psFormat": "x"}`, "HttpHeaders.a", `"HttpHeaders": {"a": 1}, `, true},
		{"plugins", `{"plugins": [], "psFormat": "x"}`, "plugins", `"plugins": [], `, true},
		{"an entry that is no base64", `{"auths": {"old.example": {"auth": "not base64"}}, "psFormat": "x"}`, "old.example", `"auth": "not base64"`, true},
		{"an entry without a colon", `{"auths": {"old.example": {"auth": "dXNlcg=="}}, "psFormat": "x"}`, "old.example", `"auth": "dXNlcg=="`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target, path := newTarget(t)
			store(t, target, logins("pw")...)
			write(t, path, tt.file)
			err := target.Store(t.Context(), logins("pw"))
			all := fault.All(err)
			if len(all) != 1 || all[0].Reason != fault.Local || !all[0].Overruled || len(all[0].Hosts) != 2 || !strings.Contains(err.Error(), tt.key) || all[0].Hint == "" {
				t.Fatalf("got %v (%+v), want one fault of both hosts that names %s", err, all, tt.key)
			}
			if strings.Contains(err.Error(), hostA) || strings.Contains(err.Error(), hostB) {
				t.Errorf("%v names one of several hosts", err)
			}
			wantStale(t, target, true, logins("pw")...)
			now := read(t, path)
			if !strings.Contains(now, `"psFormat": "x"`) || !strings.Contains(now, strings.TrimSuffix(strings.TrimSpace(tt.corrected), ",")) {
				t.Errorf("something of the file is lost: %s", now)
			}
			write(t, path, strings.NewReplacer(tt.corrected, "", `"experimental": true,`, "", `"HttpHeaders": {"a": 1},`, "", `"plugins": [],`, "",
				`"proxies": {"default": "http://p:3128"},`, "").Replace(now))
			store(t, target, logins("pw")...)
			wantStale(t, target, false, logins("pw")...)

			helper, path := newHelper(t)
			if err := helper.Store(t.Context(), loginsOf(hostA)); err != nil {
				t.Fatal(err)
			}
			write(t, path, tt.file)
			if err := helper.Store(t.Context(), loginsOf(hostA)); (err == nil) != tt.helper {
				t.Errorf("delivery helper: %v", err)
			}
			wantHelp(t, helper, tt.helper, hostA)
		})
	}
}

// TestManyHostsOfOneCauseAreOneFault keeps a log line readable.
func TestManyHostsOfOneCauseAreOneFault(t *testing.T) {
	target, path := newTarget(t)
	write(t, path, `{"proxies": 1}`)
	var all []login.Login
	for i := range 500 {
		all = append(all, loginFor(fmt.Sprintf("%012d.dkr.ecr.eu-west-1.amazonaws.com", i), "pw"))
	}
	list := fault.All(target.Store(t.Context(), all))
	if len(list) != 1 || len(list[0].Hosts) != len(all) || len(list[0].Error()) > 500 {
		t.Errorf("got %d faults: %v", len(list), list)
	}
}
