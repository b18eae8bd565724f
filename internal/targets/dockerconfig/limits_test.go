package dockerconfig

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/login"
)

// stuffed is an object with n members, each with a string of size bytes.
func stuffed(prefix string, n, size int) string {
	value := `":"` + strings.Repeat("x", size) + `"`
	out := &strings.Builder{}
	for i := range n {
		fmt.Fprintf(out, `,"%s%d%s`, prefix, i, value)
	}
	return "{" + out.String()[1:] + "}"
}

func TestAFileOfTooManyMembersIsRefusedBeforeItIsTakenApart(t *testing.T) {
	tests := []struct{ name, file string }{
		{"at the top", stuffed("k", maxMembers+1, 0)},
		{"as logins", `{"auths":` + stuffed("k", maxMembers, 0) + `}`},
		{"within a login", `{"auths":{"x":` + stuffed("k", maxMembers, 0) + `}}`},
		{"as helpers", `{"credHelpers":` + stuffed("k", maxMembers, 0) + `}`},
		{"over many objects", `{"a":[` + strings.Repeat(`{"k":0},`, maxMembers) + `0]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseDocument([]byte(tt.file)); !errors.Is(err, errTooMany) {
				t.Errorf("got %v", err)
			}
			target, path := newTarget(t)
			write(t, path, tt.file)
			wantFault(t, target.Store(t.Context(), logins("pw")), errTooMany, "put it aside")
			wantTidy(t, path)
		})
	}
	if _, err := parseDocument([]byte(stuffed("ab", maxMembers, 0))); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestTwoThousandHostsWithRealTokensFit(t *testing.T) {
	target, path := newTarget(t)
	all := make([]login.Login, 2000)
	token := strings.Repeat("t", 2700)
	for i := range all {
		all[i] = loginFor(fmt.Sprintf("%012d.dkr.ecr.us-gov-west-1.amazonaws.com", i), token)
	}
	store(t, target, all...)
	wantStale(t, target, false, all...)
	if got := len(auths(t, path)); got != len(all) {
		t.Errorf("the file has %d logins", got)
	}
}

func TestALookKeepsOnlyWhatWasAskedFor(t *testing.T) {
	doc, err := parseDocument([]byte(`{"auths":` + stuffed("k", 1000, 0) + `,"credHelpers":` + stuffed("k", 1000, 0) + `}`))
	if err != nil {
		t.Fatal(err)
	}
	var l look
	l.note(doc, viewed(doc), map[string]struct{}{hostA: {}})
	if len(l.hosts) != 1 || l.hosts[hostA] == nil {
		t.Errorf("it keeps %d hosts", len(l.hosts))
	}
}

func TestLooksAreMadeForHostsThatWereNotAskedForBefore(t *testing.T) {
	target, _ := newTarget(t)
	both := logins("pw")
	store(t, target, both[0])
	wantStale(t, target, false, both[0])
	wantStale(t, target, true, both[1])
	store(t, targetAt(t, target.path), both[1])
	wantStale(t, target, false, both...)
}

func TestErrorsQuoteOnlyALittleOfTheFile(t *testing.T) {
	name := `\u001b[2J\n` + strings.Repeat("y", 1<<20)
	for _, file := range []string{`{"credsStore":"` + name + `"}`, `{"credHelpers":{"` + hostA + `":"` + name + `"}}`} {
		target, path := newTarget(t)
		write(t, path, file)
		err := target.Store(t.Context(), []login.Login{loginFor(hostA, "pw")})
		wantFault(t, err, nil, "delete the key")
		if text := err.Error(); len(text) > 1000 || !strings.Contains(text, `"[2Jyyyy`) {
			t.Errorf("%d bytes: %.300s", len(text), text)
		}
	}
	for in, want := range map[string]string{"a\x00b\x1b": "ab", strings.Repeat("x", 63) + "ä": strings.Repeat("x", 63), "pass": "pass"} {
		if got := excerpt(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestWithoutFileDescriptorsNothingIsKnownToBeUndone(t *testing.T) {
	target, path := newTarget(t)
	store(t, target, logins("pw")...)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	undone, staleErr := target.Stale(t.Context(), logins("pw"))
	storeErr := target.Store(t.Context(), logins("pw"))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if undone || !errors.Is(staleErr, unix.EMFILE) {
		t.Errorf("stale: got %v, %v", undone, staleErr)
	}
	wantFault(t, storeErr, unix.EMFILE, "LimitNOFILE=")
	wantStale(t, target, false, logins("pw")...)
	write(t, path, `{}`)
	wantStale(t, target, true, logins("pw")...)
}
