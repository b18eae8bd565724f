package passwordfile

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
)

// settings are what a configuration says of password files. The last part of Path may hold
// placeholders; each of them is something of the host that the file is for.
type settings struct {
	Path   string // absolute
	Format string // a key of formats
	Owner  string // a name, or an id in decimal; empty for the daemon's own account
	Group  string // likewise; empty for the owner's primary group
	Mode   fs.FileMode
}

const (
	ofHost    = "{host}"
	ofAccount = "{account}"
	ofRegion  = "{region}"
	// publicAccount stands for the account of ECR Public, which has none.
	publicAccount, publicRegion = "public", "us-east-1"
)

// Read reads the options of a password-file.
func Read(b *config.Block) config.Options {
	s := settings{Format: "password", Mode: 0o600}
	mode := "0600"
	b.Read(
		config.String("path", "The file. Its name may hold {host}, {account} and {region}: a file for each.", &s.Path, config.AbsolutePath),
		config.String("format", "password: the password alone. basic: base64 of user:password. dockerconfigjson: a config.json with the logins of all hosts. env: lines NAME=VALUE.",
			&s.Format, config.OneOf("password", "basic", "dockerconfigjson", "env")),
		config.String("owner", "The account that the file belongs to: a name, or an id in quotes. Default: the account that ecr-refreshd runs as.", &s.Owner, ownerText.OrEmpty()),
		config.String("group", "The group of the file: a name, or an id in quotes. Default: the owner's.", &s.Group, groupText.OrEmpty()),
		config.String("mode", "The file's mode, in octal and quotes.", &mode, modeText),
	)
	if n, err := strconv.ParseUint(mode, 8, 32); err == nil {
		s.Mode = fs.FileMode(n)
	}
	if s.Path == "" {
		if b.Good() {
			b.Report("", "has no path; write path: /run/ecr-refreshd/password, say")
		}
		return s
	}
	s.Path = filepath.Clean(s.Path)
	dir, name := filepath.Split(s.Path)
	rest := strings.NewReplacer(ofHost, "", ofAccount, "", ofRegion, "").Replace(name)
	switch {
	case !b.Good("path"):
	case strings.ContainsAny(dir, "{}"):
		b.Report("path", "%q has a placeholder in its directory; write it in the file's name, and make the directory's name a fixed one", s.Path)
	case strings.ContainsAny(rest, "{}"):
		b.Report("path", "%q has braces that are no placeholder; write {host}, {account} or {region}", s.Path)
	}
	return s
}

var (
	ownerText = config.Matching(config.AccountPattern, "is not an account", `the name of an account, or its id in quotes, such as airflow or "50000"`)
	groupText = config.Matching(config.AccountPattern, "is not a group", `the name of a group, or its id in quotes, such as airflow or "0"`)
	// modeText lets nobody but the owner write: whoever writes the file decides what its readers send.
	modeText = config.Matching(`^0[46][04][04]$`, "is not a mode for a password", `an octal mode in quotes that lets nobody but the owner write, such as "0600", "0640" or "0400"`)
)

// Place is the file, or all that the placeholders stand for.
func (s settings) Place() string { return s.Path }

// New makes the target.
func (s settings) New() (config.Destination, error) { return newTarget(s), nil }

// CheckHosts refuses one file for tokens of which it can hold only one.
func (s settings) CheckHosts(b *config.Block, grants []config.Grant) {
	type use struct {
		grant int
		host  string
	}
	files, names := map[string]use{}, map[string]string{}
	for i, g := range grants {
		for _, h := range g.Hosts {
			// The zeros stand for an account that is not known yet.
			file, err := s.fileOf(strings.Replace(h.Name, login.OwnAccount, "000000000000", 1))
			if err != nil {
				b.Report("path", "%s; write {host} in their place", err)
				return
			}
			if strings.Contains(h.Name, login.OwnAccount) {
				file += g.Identity.Text("%q")
			}
			first, taken := files[file]
			files[file] = use{i, h.Name}
			if s.single() && taken && first.grant != i {
				b.Report("path", "%q is one file for %s and %s, which need two passwords; write {host} in its name for a file each, or format: dockerconfigjson",
					s.Path, first.host, h.Name)
				return
			}
			name := file + " " + s.suffix(h.Name)
			if other, taken := names[name]; taken && s.Format == "env" && other != h.Name {
				b.Report("path", "%q would have the same variables for %s and %s; write {host} in its name for a file each", s.Path, other, h.Name)
				return
			}
			names[name] = h.Name
		}
	}
}

// single reports whether a file holds one password.
func (s settings) single() bool { return s.Format == "password" || s.Format == "basic" }

// suffix is what ends the names of a host's variables: nothing where each host has a file.
func (s settings) suffix(host string) string {
	if strings.Contains(filepath.Base(s.Path), ofHost) {
		return ""
	}
	return "_" + strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, host)
}

// fileOf is the name of the host's file. Account and region are those that the name of a
// registry tells; a further name tells none.
func (s settings) fileOf(host string) (string, error) {
	name := filepath.Base(s.Path)
	if !strings.Contains(name, ofAccount) && !strings.Contains(name, ofRegion) {
		return strings.ReplaceAll(name, ofHost, host), nil
	}
	r, err := registry.Parse(host)
	if err != nil {
		return "", fmt.Errorf("the name %q does not tell {account} and {region}", host)
	}
	account, region := r.Account, r.Region
	if r.Public {
		account, region = publicAccount, publicRegion
	}
	return strings.NewReplacer(ofHost, host, ofAccount, account, ofRegion, region).Replace(name), nil
}
