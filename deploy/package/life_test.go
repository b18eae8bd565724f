package packaging_test

import (
	"strings"
	"testing"
)

const (
	registryHost = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
	configFile   = "/etc/ecr-refreshd/config.yaml"
	// before is a config.json with a helper of somebody else for our host, and
	// another's entry.
	before = `{"credHelpers":{"` + registryHost + `":"ecr-login","example.com":"pass"}}`
	// after is what is left of that: configure-docker says that the helper which ours replaces does not
	// come back.
	after = `{"credHelpers":{"example.com":"pass"}}`
	// prepare makes accounts: builder pulls, and in holder's home the daemon keeps a token.
	prepare = `getent group docker >/dev/null || groupadd --system docker
useradd --create-home --groups docker builder
useradd --create-home holder
install -d -o builder -g builder /home/builder/.docker
printf %s '` + before + `' >/home/builder/.docker/config.json
chown builder:builder /home/builder/.docker/config.json`
	configure = `printf 'registries: [{account: "111122223333", region: us-east-1}]\ntargets: [{type: docker-config}, {type: docker-config, user: holder}]\n` +
		`socket: {group: docker}\n' >` + configFile
	point = `ecr-refreshd configure-docker --user builder && grep -q '"` + registryHost + `": *"ecr-refreshd"' /home/builder/.docker/config.json`
	// logins are what a daemon has put into its own file and an account's.
	logins = `install -d -o ecr-refreshd -g ecr-refreshd -m 700 /var/lib/ecr-refreshd
for user in ecr-refreshd holder; do
	dir=$(getent passwd $user | cut -d: -f6)/.docker
	install -d -o $user -g $user $dir
	echo '{"auths": {"` + registryHost + `": {"auth": "QVdTOnRva2Vu"}}}' >$dir/config.json
	chown $user:$user $dir/config.json
done`
	tokens = `cat /var/lib/ecr-refreshd/.docker/config.json /home/holder/.docker/config.json 2>/dev/null | grep -o '"auth"'`
	show   = `tr -d ' \n\t' </home/builder/.docker/config.json`
)

// lifeOfDeb installs, upgrades, removes and purges where no service manager runs.
func lifeOfDeb(t *testing.T, older, newer string) {
	m := start(t, bare, older, newer)
	m.do(prepare)
	m.do("install -d -m 700 /etc/credstore")
	was := m.traces()

	m.do("dpkg --install /packages/" + base(older))
	m.do("id ecr-refreshd | grep -q docker && test -d /etc/ecr-refreshd")
	m.want("ecr-refreshd check >/dev/null 2>&1; echo $?", "2")
	m.do(configure)
	m.do("ecr-refreshd check")
	m.do(point)
	m.do(logins)

	m.do("dpkg --install /packages/" + base(newer))
	m.want("ecr-refreshd version | cut -d' ' -f2", "99.0.0")
	m.do("grep -q 111122223333 " + configFile)
	m.do("grep -q ecr-refreshd /home/builder/.docker/config.json")

	m.do("dpkg --remove ecr-refreshd")
	m.want(show, after)
	m.want(tokens, "")
	m.do("grep -q 111122223333 " + configFile)

	m.do("install -m 600 /dev/null /etc/credstore/ecr-refreshd.aws-credentials")
	m.do("dpkg --purge ecr-refreshd")
	m.want("dpkg-query --show ecr-refreshd 2>/dev/null", "")
	same(t, was, m.traces())
}

// lifeOfRPM is the same for rpm, which knows no purge: an edited configuration and
// the account stay.
func lifeOfRPM(t *testing.T, older, newer string) {
	m := start(t, bare, older, newer)
	m.do(prepare)
	m.do("mkdir -p /usr/share/licenses") // as on every system of rpm's
	was := m.traces()

	// Of what it depends on, Debian's rpm knows nothing.
	const rpm = "rpm --nodeps "
	m.do(rpm + "--install /packages/" + base(older))
	m.do("id ecr-refreshd | grep -q docker")
	m.do(configure)
	m.do(point)
	m.do(logins)

	m.do(rpm + "--upgrade /packages/" + base(newer))
	m.want("ecr-refreshd version | cut -d' ' -f2", "99.0.0")
	m.do("grep -q 111122223333 " + configFile)
	m.do("grep -q ecr-refreshd /home/builder/.docker/config.json")

	// rpm 4.20 hides homes from scripts; older ones do not.
	m.do(`rpm -q --qf '%{PREUN}' ecr-refreshd >/tmp/preun
		sh -c 'unshare --mount sh -c "mount -t tmpfs tmpfs /home && exec sh /tmp/preun 0"'; rm -rf /run/mount`)
	m.want(show, after)
	m.want(tokens, "")

	m.do(point)
	m.do(logins)
	m.do("install -D -m 600 /dev/null /var/lib/ecr-refreshd/.aws/credentials")
	m.do(rpm + "--erase ecr-refreshd")
	m.want("find /var/lib/ecr-refreshd -type f && rm -r /var/lib/ecr-refreshd", "/var/lib/ecr-refreshd/.aws/credentials")
	m.want(show, after)
	m.want(tokens, "")
	m.do("grep -q 111122223333 " + configFile + ".rpmsave")
	m.do("rm -r /etc/ecr-refreshd && userdel ecr-refreshd")
	same(t, was, m.traces())
}

// An account of the service's name that a person uses is none of the package's.
const (
	person  = `useradd --create-home --shell /bin/sh ecr-refreshd && echo ecr-refreshd:secret | chpasswd`
	account = `getent passwd ecr-refreshd; getent shadow ecr-refreshd; id ecr-refreshd; ls -l /home/ecr-refreshd`
	said    = `2>&1 | grep -c 'somebody uses the account ecr-refreshd'`
)

func personWithDeb(t *testing.T, file string) {
	m := start(t, bare, file)
	m.do(prepare)
	m.do(person)
	was := m.do(account)
	m.want("dpkg --install /packages/"+base(file)+" "+said, "1")
	m.want(account, was)
	m.do("systemd-sysusers") // as at a boot
	m.want(account, was)
	m.do("dpkg --purge ecr-refreshd")
	m.want(account, was)
}

func personWithRPM(t *testing.T, file string) {
	m := start(t, bare, file)
	m.do(prepare)
	m.do(person)
	was := m.do(account)
	m.want("rpm --nodeps --install /packages/"+base(file)+" "+said, "1")
	m.do("systemd-sysusers")
	m.want(account, was)
	m.do("rpm --erase ecr-refreshd")
	m.want(account, was)
}

// lifeOfService is a host with systemd, from the installation to the purge, while
// somebody pulls.
func lifeOfService(t *testing.T, older, newer string) {
	needPrograms(t, "systemd-nspawn")
	emulator := t.TempDir() + "/ecr-emulator"
	output(t, "go", "build", "-o", emulator, "../../cmd/ecr-emulator")
	m := start(t, booted, older, newer, emulator)
	m.do(prepare)
	was := m.traces()

	m.do("dpkg --install /packages/" + base(older))
	m.want("systemctl is-enabled ecr-refreshd.service ecr-refreshd.socket ecr-refreshd-once.timer | sort -u", "disabled")
	m.want("systemctl is-active ecr-refreshd.service ecr-refreshd.socket ecr-refreshd-once.timer | sort -u", "inactive")

	// Not configured, it does not start, and says why.
	if out, err := m.try("systemctl start ecr-refreshd"); err == nil {
		t.Errorf("it starts without a configuration: %s", out)
	}
	m.await("journalctl -u ecr-refreshd | grep -q 'registries: '")
	m.want("systemctl show -P ExecMainStatus ecr-refreshd", "2")

	m.do(`systemd-run --quiet --unit=aws --property=PrivateTmp=no sh -c '/packages/ecr-emulator --listen 127.0.0.1:8080 >/run/aws.sh'`)
	m.await("test -s /run/aws.sh")
	m.do(configure)
	m.do(`mkdir -p /etc/systemd/system/ecr-refreshd.service.d
		{ echo '[Service]'; sed -n 's/^export //p' /run/aws.sh | sed 's/^/Environment=/'; } >/etc/systemd/system/ecr-refreshd.service.d/aws.conf`)
	m.do("cp /usr/share/doc/ecr-refreshd/examples/users-config.conf /etc/systemd/system/ecr-refreshd.service.d/")
	m.do("systemctl daemon-reload && systemctl enable --now ecr-refreshd")
	m.want("systemctl is-active ecr-refreshd.service ecr-refreshd.socket | sort -u", "active")
	m.do("ecr-refreshd status")
	m.do(point)
	const get = `printf ` + registryHost + ` | docker-credential-ecr-refreshd get`
	token := m.do("runuser -u builder -- sh -c '" + get + "' | grep Secret")

	// From here on AWS refuses: what is served has come across the restart.
	m.do(`. /run/aws.sh; curl -sf -d '{"operation": "GetAuthorizationToken", "times": 1000, "status": 400, "code": "ThrottlingException"}' \
		$AWS_ENDPOINT_URL/_emulator/faults`)
	m.do(`echo 'while :; do out=$(` + get + `) && echo pull || echo "LOST: $out"; done' >/packages/pulls
		systemd-run --quiet --unit=pulls --uid=builder sh /packages/pulls`)
	m.await("test $(journalctl -o cat -u pulls | grep -cx pull) -ge 20")
	first := m.do("systemctl show -P MainPID ecr-refreshd")
	m.do("echo 'unknown: true' >>" + configFile)
	m.want("dpkg --install /packages/"+base(newer)+" 2>&1 | grep -c 'not restarted, the configuration has an error'", "1")
	m.want("systemctl show -P MainPID ecr-refreshd", first)
	m.do(configure)
	m.do("dpkg --install /packages/" + base(newer))
	pulls := m.do("journalctl -o cat -u pulls | grep -cx pull")
	m.await("test $(journalctl -o cat -u pulls | grep -cx pull) -ge $((" + pulls + " + 20))")
	m.do("systemctl stop pulls")
	m.want("journalctl -o cat -u pulls | grep LOST", "")
	m.want("systemctl is-active ecr-refreshd", "active")
	if second := m.do("systemctl show -P MainPID ecr-refreshd"); second == first {
		t.Errorf("process %s has not been restarted", first)
	}
	m.do(`journalctl -o cat -u ecr-refreshd | grep started | grep -q '99\.0\.0'`)
	m.do(`ecr-refreshd status --output json | grep -q '"version": *"99.0.0"'`)
	if after := m.do("runuser -u builder -- sh -c '" + get + "' | grep Secret"); after != token {
		t.Error("the token has not come across the upgrade")
	}

	m.want(tokens, "\"auth\"\n\"auth\"")
	m.do("dpkg --remove ecr-refreshd")
	m.want(show, after)
	m.want(tokens, "")
	m.want("cat /proc/[0-9]*/comm | grep -x ecr-refreshd", "")
	m.want("ls -d /run/ecr-refreshd 2>/dev/null", "")
	m.do("dpkg --purge ecr-refreshd")
	m.do("systemctl stop aws; rm /run/aws.sh")
	m.want("systemctl list-units --all --no-legend 'ecr-refreshd*'", "")
	same(t, was, m.traces())
}

func base(path string) string { return path[strings.LastIndex(path, "/")+1:] }

// same reports what has come and gone.
func same(t *testing.T, was, is map[string]bool) {
	t.Helper()
	if len(was) < 1000 {
		t.Errorf("only %d files and accounts were there before", len(was))
	}
	for trace := range is {
		if !was[trace] {
			t.Errorf("left behind: %s", trace)
		}
	}
	for trace := range was {
		if !is[trace] {
			t.Errorf("taken away: %s", trace)
		}
	}
}
