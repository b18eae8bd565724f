// Package testbed gives one process a machine of its own to try ecr-refreshd
// on: network, mount and process namespaces in which ECR's host names lead to
// an emulated AWS on loopback and in which a private Docker Engine runs. The
// real machine keeps nothing of it: everything lies on a tmpfs of those
// namespaces, and the kernel ends what runs in them together with the process.
//
// It serves end to end tests, the demonstration and the benchmark, so it does
// not know package testing and returns its errors. What is tried in the bed,
// and what should come of it, does not live here.
//
// A program calls Enter first, which runs it again inside, and Open there:
//
//	if !testbed.Inside() {
//		code, err := testbed.Enter(ctx)
//		...
//	}
//	bed, err := testbed.Open(testbed.Options{...})
//	aws, err := bed.StartAWS(addr, emulator.Options{})
//	engine, err := bed.StartEngine(ctx)
package testbed

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ecr-refreshd/internal/emulator"
)

// Options says what the machine inside looks like.
type Options struct {
	// Hosts maps host names to the address at which StartAWS will serve them. They
	// are needed up front: an engine reads /etc/hosts seldom. Addresses are those
	// of 192.0.2.0/24, where the engine insists on a good certificate as it does
	// for real registries, and of 127.0.0.0/8, where it does not.
	Hosts map[string]string
	// Accounts are the names of unprivileged accounts to make, all members of
	// the group docker. They hide accounts of the same names.
	Accounts []string
	// Profiles are the AWS credentials in the shared credentials file, which
	// programs started with Command find. Nil is DefaultPrincipal as "default".
	Profiles map[string]emulator.Principal
}

// Bed is the machine inside. Its methods are safe for concurrent use.
type Bed struct {
	Dir      string // everybody may pass through it
	hosts    map[string]string
	accounts map[string]Account
	profiles map[string]emulator.Principal
}

// Where things are inside.
const (
	tmpDir          = bedDir + "/tmp"
	homes           = bedDir + "/home"
	rootHome        = bedDir + "/root"
	awsDir          = bedDir + "/aws"
	credentialsFile = awsDir + "/credentials"
	configFile      = awsDir + "/config"

	groupDocker = "docker"
	passwdFile  = "/etc/passwd"
	groupFile   = "/etc/group"
	hostsFile   = "/etc/hosts"
	switchFile  = "/etc/nsswitch.conf"
	certsDir    = "/etc/docker/certs.d"
)

// network is one that is set aside for documentation (RFC 5737).
var network = netip.MustParsePrefix("192.0.2.1/24")

// Open makes the namespaces that Enter started this process in into the
// machine that o describes. It is called once, before anything else in the
// process looks up a host name. An error that is a *LackError says what the
// machine outside does not allow.
func Open(o Options) (*Bed, error) {
	if !Inside() {
		return nil, errors.New("open the test bed: this process is not inside; call testbed.Enter")
	}
	if o.Profiles == nil {
		o.Profiles = map[string]emulator.Principal{"default": emulator.DefaultPrincipal()}
	}
	b := &Bed{Dir: bedDir, hosts: o.Hosts, profiles: o.Profiles}
	if err := isolate(); err != nil {
		return nil, fmt.Errorf("open the test bed: %w", err)
	}
	if err := b.furnish(o); err != nil {
		return nil, fmt.Errorf("open the test bed: %w", err)
	}
	return b, nil
}

// isolate hides from the machine outside what happens from here on.
func isolate() error {
	const upper, work = bedDir + "/etc", bedDir + "/etc.work"
	steps := []struct {
		what string
		do   func() error
	}{
		{"make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount /proc", func() error { return unix.Mount("proc", "/proc", "proc", 0, "") }},
		{"mount a tmpfs on /run", func() error { return unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") }},
		{"make directories", func() error {
			return errors.Join(os.Mkdir(bedDir, 0o755), os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755))
		}},
		{"mount an overlay on /etc", func() error {
			return unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir="+upper+",workdir="+work)
		}},
		{"bring up the loopback device", loopbackUp},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return &LackError{What: "permission to " + s.what, Err: err}
		}
	}
	return nil
}

// loopbackUp brings up the loopback device with a second address. Of class C as
// that is, the kernel takes all of its network for local.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	device, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	device.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, device); err != nil {
		return err
	}
	second, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := second.SetInet4Addr(network.Addr().AsSlice()); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, second)
}

// furnish fills the directory and /etc.
func (b *Bed) furnish(o Options) error {
	for _, dir := range []struct {
		path string
		mode os.FileMode
	}{{bedDir, 0o755}, {tmpDir, 0o777 | os.ModeSticky}, {homes, 0o755}, {rootHome, 0o700}, {awsDir, 0o700}} {
		if err := os.MkdirAll(dir.path, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(dir.path, dir.mode); err != nil { // whatever the umask
			return err
		}
	}
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, name := range slices.Sorted(maps.Keys(o.Hosts)) {
		ip, err := netip.ParseAddr(o.Hosts[name])
		if err != nil || !ip.IsLoopback() && !network.Contains(ip) {
			return fmt.Errorf("host %q: %q is neither in 127.0.0.0/8 nor in 192.0.2.0/24", name, o.Hosts[name])
		}
		fmt.Fprintf(&hosts, "%s %s\n", ip, name)
	}
	// The engine refuses to start without its directory in /etc, and finds
	// neither settings nor certificates of the machine outside in this one.
	if err := replaceDir("/etc/docker"); err != nil {
		return err
	}
	if err := os.Mkdir(certsDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(hostsFile, []byte(hosts.String()), 0o644); err != nil {
		return err
	}
	// Other modules of the machine outside, such as systemd's, would ask services
	// that are not here, which was seen to triple the engine's CPU time.
	if err := os.WriteFile(switchFile, []byte("passwd: files\ngroup: files\nhosts: files dns\n"), 0o644); err != nil {
		return err
	}
	if err := b.addAccounts(o.Accounts); err != nil {
		return err
	}
	return b.writeProfiles()
}

// replaceDir makes dir empty, in the overlay.
func replaceDir(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o755)
}

func (b *Bed) writeProfiles() error {
	var credentials strings.Builder
	for _, name := range slices.Sorted(maps.Keys(b.profiles)) {
		p := b.profiles[name]
		fmt.Fprintf(&credentials, "[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", name, p.AccessKeyID, p.SecretAccessKey)
	}
	if err := os.WriteFile(credentialsFile, []byte(credentials.String()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(configFile, nil, 0o600)
}
