package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecr-refreshd/internal/testbed"
)

// TestOnlyThoseWhoMayGetALogin asks as other users, of other groups and for
// other registries, and again when a rule has gone.
func TestOnlyThoseWhoMayGetALogin(t *testing.T) {
	t.Parallel()
	s := newScene(t, cloudRules, 20*time.Second)
	hosts := s.cloud.hosts()
	common, special := hosts[0], hosts[len(hosts)-1] // in two regions: one token opens all that is in one
	root, tester, guest := s.home(), s.bed.Account("tester"), s.bed.Account("guest")
	builder := s.bed.Account("builder")
	builder.Groups = append(slices.Clone(builder.Groups), addGroup(t, "builders", builder))
	config := func(groups string) string {
		return fmt.Sprintf("registries:\n  - {host: %s}\n  - {host: %s, allow: {users: [%s]}}\n", common, special, tester.Name) +
			usersHelper(builder.Name, tester.Name) + s.access(s.aws.Endpoint()) + s.socketFor("groups: ["+groups+"]")
	}
	path := s.write(config("builders"))
	d := s.startDaemon(root, path)
	for _, host := range []string{common, special} {
		await(t, func() (bool, string) { _, err := s.get(root, host); return err == nil, fmt.Sprint(err) })
	}

	type question struct {
		name string
		as   testbed.Account
		host string
		want bool
	}
	ask := func(t *testing.T, all []question) {
		for _, q := range all {
			t.Run(q.name, func(t *testing.T) {
				s, d := s.in(t), d.in(t)
				_, err := s.get(q.as, q.host)
				switch {
				case q.want && err != nil:
					t.Errorf("refused: %v", err)
				case !q.want && err == nil:
					t.Error("got a login")
				case !q.want:
					if !strings.Contains(err.Error(), q.as.Name) || !strings.Contains(err.Error(), q.host) {
						t.Errorf("got %q; want it to name %q and %q", err, q.as.Name, q.host)
					}
					d.awaitRefusal(0, q.as, q.host)
				}
			})
		}
	}
	ask(t, []question{
		{"in the group", builder, common, true},
		{"not in the group", tester, common, false},
		{"nowhere", guest, common, false},
		{"in the group, but the registry has its own rule", builder, special, false},
		{"in the registry's own rule", tester, special, true},
		{"nowhere, the registry's own rule", guest, special, false},
		{"root", root, special, true},
	})
	t.Run("list", func(t *testing.T) {
		s := s.in(t)
		for _, l := range []struct {
			as   testbed.Account
			want string
		}{{root, common + " " + special}, {builder, common}, {tester, special}, {guest, ""}} {
			if got := s.list(l.as); got != l.want {
				t.Errorf("%s: got %q, want %q", l.as.Name, got, l.want)
			}
		}
	})
	t.Run("docker", func(t *testing.T) {
		s := s.in(t)
		ref := s.push(common, "team/app")
		for _, p := range []struct {
			as   testbed.Account
			want bool
		}{{tester, false}, {builder, true}} {
			s.awaitNamed(p.as, common)
			if out, code := s.run(p.as, s.clientEnv(s.engine), "", s.docker, "pull", ref); (code == 0) != p.want {
				t.Errorf("%s: pulls %t, want %t: %s", p.as.Name, code == 0, p.want, out)
			}
		}
	})

	mark := d.log.mark()
	s.rewrite(path, config(guest.Name))
	d.signal(syscall.SIGHUP)
	d.awaitAfter(mark, "configuration read again")
	t.Run("rule removed", func(t *testing.T) {
		ask(t, []question{
			{"was in the group", builder, common, false},
			{"in the group now", guest, common, true},
			{"in the registry's own rule", tester, special, true},
		})
		d.in(t).awaitRefusal(mark, builder, common)
	})
	if code := d.stop(); code != 0 {
		t.Errorf("ecr-refreshd ended with %d", code)
	}
}

// awaitRefusal waits for the journal to say that the account was refused.
func (d *daemon) awaitRefusal(mark int, as testbed.Account, host string) {
	d.t.Helper()
	l := d.awaitAfter(mark, "credential refused", fmt.Sprintf(`"uid":%d`, as.UID), `"user":"`+as.Name+`"`, host)
	if l.Level != "warn" || l.Hint == "" {
		d.t.Errorf("got %s; want a warning with a hint", l.raw)
	}
}

// list gives the hosts that the helper lists, in order.
func (s *scene) list(as testbed.Account) string {
	s.t.Helper()
	out, code := s.helper(as, "list", "")
	s.printed.add("helper list", []byte(out))
	var users map[string]string
	if err := json.Unmarshal([]byte(out), &users); code != 0 || err != nil {
		s.t.Errorf("list as %s: exit code %d: %s", as.Name, code, out)
	}
	var hosts []string
	for host, user := range users {
		hosts = append(hosts, host)
		if user != "AWS" {
			s.t.Errorf("list as %s: user %q for %q", as.Name, user, host)
		}
	}
	slices.Sort(hosts)
	return strings.Join(hosts, " ")
}

// addGroup adds a group to the machine inside.
func addGroup(t *testing.T, name string, member testbed.Account) (gid int) {
	t.Helper()
	const builders = 46900 // no account of the test bed has it
	f, err := os.OpenFile("/etc/group", os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = fmt.Fprintf(f, "%s:x:%d:%s\n", name, builders, member.Name)
	must(t, err)
	must(t, f.Close())
	return builders
}
