package ecr

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"ecr-refreshd/internal/fault"
)

func TestASessionLastsForTheFirstHalfOfItsLife(t *testing.T) {
	begun := time.Now()
	hour := aws.Credentials{CanExpire: true, Expires: begun.Add(time.Hour)}
	tests := []struct {
		name  string
		creds aws.Credentials
		err   error
		after time.Duration
		want  bool
	}{
		{"young", hour, nil, 29 * time.Minute, true},
		{"old", hour, nil, 31 * time.Minute, false},
		{"ended", hour, nil, 2 * time.Hour, false},
		{"without an end", aws.Credentials{AccessKeyID: "AKIA1"}, nil, 0, false},
		{"an error", hour, os.ErrNotExist, 0, false},
		{"none", aws.Credentials{}, nil, 0, false},
	}
	for _, tt := range tests {
		s := &session{creds: tt.creds, err: tt.err, begun: begun}
		if got := s.lasts(begun.Add(tt.after)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestRegionsShareASession: an MFA code is good for one call only, so twenty
// regions of one identity must not ask twenty times.
func TestRegionsShareASession(t *testing.T) {
	dir := isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	clients := NewClients()
	id := f.id()
	id.RoleARNs = []string{"arn:aws:iam::111122223333:role/r"}
	id.MFASerial, id.MFACommand = "arn:aws:iam::111122223333:mfa/u", []string{"echo", "123456"}
	var wg sync.WaitGroup
	for i := range 20 {
		s := New(id, fmt.Sprintf("eu-west-%d", i), false, Options{Clients: clients})
		wg.Go(func() {
			if _, err := s.Fetch(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(f.operations("AssumeRole")); n != 1 {
		t.Errorf("the role was assumed %d times", n)
	}
	write(t, filepath.Join(dir, "config"), "[default]\n")
	mustFetch(t, newSource(t, id, Options{Clients: clients}))
	if n := len(f.operations("AssumeRole")); n != 2 {
		t.Errorf("after the files changed the role was assumed %d times in all, want 2", n)
	}
}

func TestWhoWaitedTakesTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{turn: make(chan struct{}, 1)}
		asked := 0
		fail := func() (aws.Credentials, error) {
			asked++
			time.Sleep(time.Second) // of the bubble's clock: AWS takes its time
			return aws.Credentials{}, os.ErrDeadlineExceeded
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := s.get(t.Context(), "", fail); err != os.ErrDeadlineExceeded {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := s.get(gone, "", fail); err != context.Canceled {
			t.Errorf("who left while waiting got %v", err)
		}
		wg.Wait()
		if asked != 1 {
			t.Errorf("AWS was asked %d times", asked)
		}
		if _, err := s.get(t.Context(), "", fail); err == nil || asked != 2 {
			t.Errorf("who came later got the old answer, or %v", err)
		}
	})
}

func TestWhoGaveUpLeavesNoAnswer(t *testing.T) {
	s := &session{turn: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := s.get(ctx, "", func() (aws.Credentials, error) { cancel(); return aws.Credentials{}, context.Canceled })
	if err != context.Canceled || s.err != nil || !s.begun.IsZero() {
		t.Errorf("%v; left behind: %v", err, s.err)
	}
}

func TestMFACommand(t *testing.T) {
	tests := []struct {
		name    string
		command []string
		want    string
		text    string
	}{
		{"a code", []string{"printf", " 123456\n"}, "123456", ""},
		{"no shell", []string{"echo", "123456;", "true"}, "", "6 digits"},
		{"no such program", []string{"/nonexistent/oathtool"}, "", "no such file"},
		{"it fails", []string{"sh", "-c", "echo 654321; echo no device 654321 here >&2; echo second >&2; exit 3"}, "", `exit status 3: "no device [redacted] here"`},
		{"nothing", []string{"true"}, "", "6 digits"},
		{"it tells an argument", []string{"sh", "-c", "echo bad seed $0 $1 in $2 >&2; exit 1", "JBSWY3DPEHPK3PXP", "--seed=JBSWY3DPEHPK", "base32"}, "",
			`"bad seed [redacted] [redacted] in [redacted]"`},
		{"it tells the value of an argument", []string{"sh", "-c", "echo bad ${0#*=} >&2; exit 1", "--seed=JBSWY3DPEHPK3PXP"}, "", `"bad [redacted]"`},
		{"it tells codes", []string{"sh", "-c", "echo tried 654321 and 6543210, not 12345 >&2; exit 1"}, "", `"tried [redacted] and [redacted], not 12345"`},
		{"it prints several lines and tells one", []string{"sh", "-c", "printf '%s\\nsecond\\n' $0$1; echo no $0$1 >&2", "JBSWY", "3DPEH"}, "", `no [redacted]`},
		{"something else", []string{"echo", canary}, "", "6 digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, err := mfaCode(context.Background(), tt.command)
			if code != tt.want || (err == nil) != (tt.text == "") {
				t.Fatalf("got %q, %v", code, err)
			}
			if err == nil {
				return
			}
			for _, hidden := range []string{"654321", canary, "second", "JBSWY"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error tells %q: %v", hidden, err)
				}
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("no %q in %v", tt.text, err)
			}
		})
	}
}

func TestMFACommandThatHangsIsEnded(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	id := f.id()
	id.MFASerial, id.MFACommand = "s-1", []string{"sleep", "600"}
	err := failFetch(t, newSource(t, id, Options{Timeout: 50 * time.Millisecond}))
	if err.Reason != fault.Credentials || !strings.Contains(err.Error(), `"sleep"`) {
		t.Errorf("%s: %v", err.Reason, err)
	}
}

func TestMFAWithoutARoleOpensASession(t *testing.T) {
	isolate(t)
	keys(t, "AKIA1", canary)
	f := newFake(t)
	id := f.id()
	id.MFASerial, id.MFACommand = "arn:aws:iam::111122223333:mfa/u", []string{"echo", "123456"}
	mustFetch(t, newSource(t, id, Options{}))
	got := f.operations("GetSessionToken")
	if len(got) != 1 || !strings.Contains(got[0].body, "TokenCode=123456") || strings.Contains(got[0].body, "DurationSeconds") {
		t.Errorf("asked %v", got)
	}
	if call := f.operations("GetAuthorizationToken")[0]; call.key != "ASIAGetSessionToken1" {
		t.Errorf("the token was asked for as %v", call)
	}
}

func TestProfileRole(t *testing.T) {
	dir := isolate(t)
	f := newFake(t)
	write(t, filepath.Join(dir, "config"), "[profile ci]\nrole_arn=arn:aws:iam::111122223333:role/r\nsource_profile=base\nmfa_serial=s-1\n"+
		"[profile base]\naws_access_key_id=AKIABASE\naws_secret_access_key="+canary+"\n")
	id := f.id()
	id.Profile = "ci"
	if err := failFetch(t, newSource(t, id, Options{})); err.Reason != fault.Credentials || !strings.Contains(err.Hint, "aws.mfa.code_command") {
		t.Errorf("%s: %v (%s)", err.Reason, err, err.Hint)
	}
	id.MFACommand = []string{"echo", "123456"}
	mustFetch(t, newSource(t, id, Options{}))
	got := f.operations("AssumeRole")
	if len(got) != 1 || got[0].key != "AKIABASE" {
		t.Fatalf("asked %v", got)
	}
	for _, part := range []string{"TokenCode=123456", "RoleSessionName=ecr-refreshd", "DurationSeconds=3600"} {
		if !strings.Contains(got[0].body, part) {
			t.Errorf("no %s in %s", part, got[0].body)
		}
	}
}
