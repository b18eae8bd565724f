package packaging_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets"
)

func TestLintianFindsNoErrors(t *testing.T) {
	needPrograms(t, "lintian")
	// Its exit code does not tell errors from what is overridden with a reason.
	out, _ := exec.Command("lintian", "--allow-root", "--tag-display-limit", "0", built(t, debAMD)).CombinedOutput()
	if got := strings.TrimSpace(string(out)); got != "" {
		t.Errorf("lintian:\n%s", got)
	}
}

// rpmlint unpacks what it reads with cpio. The names in the package are absolute,
// so that as root it would unpack them over this machine's own files.
func TestRPMLintFindsNoErrors(t *testing.T) {
	needPrograms(t, "rpmlint", "unshare", "nsenter")
	m := start(t, bare, built(t, rpmAMD), built(t, rpmARM), "rpm/rpmlint.toml")
	for _, kind := range []string{rpmAMD, rpmARM} {
		out, err := m.try("rpmlint -c /packages/rpmlint.toml /packages/*" + kind)
		if err != nil || !strings.Contains(out, "1 packages and 0 specfiles checked; 0 errors, 0 warnings") {
			t.Errorf("rpmlint: %v\n%s", err, out)
		}
	}
}

// files are the packages' paths and modes: what a person misses if it is not there.
const files = `
-rw-r--r-- /etc/ecr-refreshd/config.yaml
-rwxr-xr-x /usr/bin/docker-credential-ecr-refreshd
-rwxr-xr-x /usr/bin/ecr-refreshd
-rw-r--r-- /usr/lib/systemd/system/ecr-refreshd-once.service
-rw-r--r-- /usr/lib/systemd/system/ecr-refreshd-once.timer
-rw-r--r-- /usr/lib/systemd/system/ecr-refreshd.service
-rw-r--r-- /usr/lib/systemd/system/ecr-refreshd.socket
-rw-r--r-- /usr/lib/systemd/user/ecr-refreshd.service
-rw-r--r-- /usr/lib/sysusers.d/ecr-refreshd.conf
-rwxr-xr-x /usr/libexec/ecr-refreshd/log-out
-rw-r--r-- /usr/share/bash-completion/completions/ecr-refreshd
-rw-r--r-- /usr/share/doc/ecr-refreshd/NOTICES.gz
-rw-r--r-- /usr/share/doc/ecr-refreshd/README.md.gz
-rw-r--r-- /usr/share/doc/ecr-refreshd/changelog.gz
-rw-r--r-- /usr/share/doc/ecr-refreshd/copyright
-rw-r--r-- /usr/share/doc/ecr-refreshd/ecr-refreshd.openvex.json
-rw-r--r-- /usr/share/doc/ecr-refreshd/ecr-refreshd.schema.json
-rw-r--r-- /usr/share/doc/ecr-refreshd/ecr-refreshd.spdx.json.gz
-rw-r--r-- /usr/share/doc/ecr-refreshd/ecr-refreshd.yaml
-rw-r--r-- /usr/share/doc/ecr-refreshd/examples/aws-credentials.conf
-rw-r--r-- /usr/share/doc/ecr-refreshd/examples/users-config.conf
-rw-r--r-- /usr/share/doc/ecr-refreshd/monitoring/alerts.yml
-rw-r--r-- /usr/share/doc/ecr-refreshd/monitoring/dashboard.json
-rw-r--r-- /usr/share/fish/vendor_completions.d/ecr-refreshd.fish
-rw-r--r-- /usr/share/man/man1/docker-credential-ecr-refreshd.1.gz
-rw-r--r-- /usr/share/man/man1/ecr-refreshd.1.gz
-rw-r--r-- /usr/share/man/man5/ecr-refreshd.yaml.5.gz
`

func TestFiles(t *testing.T) {
	needPrograms(t, "dpkg-deb", "rpm")
	deb := []string{"-rw-r--r-- /usr/share/doc/ecr-refreshd/changelog.Debian.gz", "-rw-r--r-- /usr/share/lintian/overrides/ecr-refreshd",
		"-rw-r--r-- /usr/share/zsh/vendor-completions/_ecr-refreshd"}
	rpm := []string{"-rw-r--r-- /usr/share/licenses/ecr-refreshd/LICENSE", "-rw-r--r-- /usr/share/zsh/site-functions/_ecr-refreshd"}
	for _, test := range []struct {
		kind string
		own  []string
		list func(t *testing.T, file string) []string
	}{
		{debAMD, deb, debFiles}, {debARM, deb, debFiles}, {rpmAMD, rpm, rpmFiles}, {rpmARM, rpm, rpmFiles},
	} {
		t.Run(test.kind, func(t *testing.T) {
			want := append(strings.Split(strings.TrimSpace(files), "\n"), test.own...)
			got := test.list(t, built(t, test.kind))
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("it holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// debFiles are modes and paths of the files; what is not root's is named so.
func debFiles(t *testing.T, file string) []string {
	var all []string
	for line := range strings.Lines(output(t, "dpkg-deb", "--contents", file)) {
		f := strings.Fields(line)
		if owner := f[1]; owner != "root/root" {
			f[0] += " " + owner
		}
		if !strings.HasPrefix(f[0], "d") {
			all = append(all, f[0]+" "+strings.TrimPrefix(f[5], "."))
		}
	}
	return all
}

func rpmFiles(t *testing.T, file string) []string {
	var all []string
	for line := range strings.Lines(output(t, "rpm", "-qp", "--qf",
		`[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]`, file)) {
		line = strings.Replace(strings.TrimSpace(line), " root/root ", " ", 1)
		if !strings.HasPrefix(line, "d") {
			all = append(all, line)
		}
	}
	return all
}

func TestPackagesNameTheLicence(t *testing.T) {
	needPrograms(t, "dpkg-deb", "rpm")
	if got := output(t, "rpm", "-qp", "--qf", "%{LICENSE}", built(t, rpmAMD)); got != "Apache-2.0" {
		t.Errorf("rpm: %q", got)
	}
	dir := t.TempDir()
	output(t, "dpkg-deb", "--extract", built(t, debAMD), dir)
	text, err := os.ReadFile(filepath.Join(dir, "usr/share/doc/ecr-refreshd/copyright"))
	if err != nil || !strings.Contains(string(text), "Apache-2.0") {
		t.Errorf("copyright: %v\n%s", err, text)
	}
}

func TestConfigurationIsTheAdministrators(t *testing.T) {
	needPrograms(t, "dpkg-deb", "rpm")
	const path = "/etc/ecr-refreshd/config.yaml"
	if got := output(t, "dpkg-deb", "--info", built(t, debAMD), "conffiles"); strings.TrimSpace(got) != path {
		t.Errorf("conffiles: %q", got)
	}
	got := output(t, "rpm", "-qp", "--qf", `[%{FILENAMES} %{FILEFLAGS:fflags}\n]`, built(t, rpmAMD))
	if !strings.Contains(got, path+" cn\n") {
		t.Errorf("rpm does not know it as config(noreplace):\n%s", got)
	}
}

// An installed service must not log in anywhere before somebody has said where.
func TestShippedConfigurationNeedsOneEdit(t *testing.T) {
	shipped, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The file's folder must not be writable for others, which /tmp's children are not.
	path := filepath.Join(t.TempDir(), "config.yaml")
	load := func(text string) error {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, targets.Kinds)
		return err
	}
	if err := load(string(shipped)); err == nil || !strings.Contains(err.Error(), "registries") {
		t.Errorf("as shipped: %v; want an error about registries", err)
	}
	examples := regexp.MustCompile(`(?m)^# (- \w+:.*|  \w+:.*)$`)
	if n := len(examples.FindAllString(string(shipped), -1)); n != 4 {
		t.Errorf("%d commented lines of registries; want 4", n)
	}
	if err := load(examples.ReplaceAllString(string(shipped), "$1")); err != nil {
		t.Errorf("with all examples: %v", err)
	}
	if err := load(strings.Replace(string(shipped), "# - region", "- region", 1)); err != nil {
		t.Errorf("with the first example: %v", err)
	}
}

// The programs run on any Linux of their architecture, and no package tells where
// it was built.
func TestPrograms(t *testing.T) {
	needPrograms(t, "dpkg-deb")
	checkout, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for kind, machine := range map[string]elf.Machine{debAMD: elf.EM_X86_64, debARM: elf.EM_AARCH64} {
		dir := t.TempDir()
		output(t, "dpkg-deb", "--extract", built(t, kind), dir)
		for _, name := range []string{"ecr-refreshd", "docker-credential-ecr-refreshd"} {
			path := filepath.Join(dir, "usr/bin", name)
			f, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Machine != machine {
				t.Errorf("%s: %s is for %s", kind, name, f.Machine)
			}
			for _, p := range f.Progs {
				if p.Type == elf.PT_INTERP {
					t.Errorf("%s: %s needs a dynamic loader", kind, name)
				}
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), checkout) {
				t.Errorf("%s: %s holds %q", kind, name, checkout)
			}
		}
	}
}
