package survey

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/registry"
)

// AWS is what may identify this host, or a user of it, to AWS.
type AWS struct {
	Profiles []Profile
	Files    []SharedFile
	// Variables are those of the environment, by name, that hold credentials.
	Variables []string
	Region    string // of the environment
	Profile   string // of the environment
	Instance  *Instance
}

// Profile is one of the shared files. It is made of both, as the SDK does.
type Profile struct {
	Name    string
	User    string // in whose home it is
	Region  string
	Account string // of its role, if it has one
}

// SharedFile is a file that profiles are in.
type SharedFile struct {
	Path string // in the file system, not as shown
	User string
}

// identities looks at the environment and at the instance; the files of homes
// have been looked at.
func (l *looker) identities(ctx context.Context) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if l.Getenv(name) != "" {
			l.s.AWS.Variables = append(l.s.AWS.Variables, name)
		}
	}
	l.s.AWS.Region = firstValid(registry.ValidRegion, l.Getenv("AWS_REGION"), l.Getenv("AWS_DEFAULT_REGION"))
	l.s.AWS.Profile = firstValid(word.MatchString, l.Getenv("AWS_PROFILE"), l.Getenv("AWS_DEFAULT_PROFILE"))
	if l.Getenv("AWS_EC2_METADATA_DISABLED") != "true" && l.onEC2() {
		l.s.AWS.Instance = askInstance(ctx, l.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"))
	}
}

// onEC2 decides by the firmware, so that no other host waits for an address that
// is not there.
func (l *looker) onEC2() bool {
	if l.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") != "" {
		return true
	}
	for _, file := range []string{"/sys/class/dmi/id/sys_vendor", "/sys/class/dmi/id/bios_vendor"} {
		if l.exists(file) && strings.HasPrefix(string(l.file(file)), "Amazon EC2") {
			return true
		}
	}
	return false
}

// profiles notes the profiles of an account.
func (l *looker) profiles(h *home) {
	for _, name := range []string{".aws/config", ".aws/credentials"} {
		data := h.file(name)
		if data == nil {
			continue
		}
		l.s.AWS.Files = append(l.s.AWS.Files, SharedFile{path.Join(h.Home, name), h.Name})
		for _, p := range parseProfiles(string(data)) {
			p.User = h.Name
			at := slices.IndexFunc(l.s.AWS.Profiles, func(q Profile) bool { return q.Name == p.Name && q.User == p.User })
			if at < 0 {
				l.s.AWS.Profiles = append(l.s.AWS.Profiles, p)
				continue
			}
			q := &l.s.AWS.Profiles[at]
			q.Region = firstValid(registry.ValidRegion, q.Region, p.Region)
			q.Account = firstValid(registry.ValidAccount, q.Account, p.Account)
		}
	}
}

var roleAccount = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/`)

// parseProfiles reads a shared file, of either kind. Of keys and of what is not
// for a profile nothing is taken.
func parseProfiles(text string) []Profile {
	var all []Profile
	var p *Profile
	for l := range strings.Lines(text) {
		nested := strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t")
		l = strings.TrimSpace(l)
		if name, ok := strings.CutPrefix(l, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			name = strings.TrimSpace(name)
			if after, ok := strings.CutPrefix(name, "profile"); ok && strings.TrimLeft(after, " \t") != after {
				name = strings.Trim(strings.TrimSpace(after), `"'`)
			}
			p = nil
			if word.MatchString(name) { // not [sso-session x]
				all = append(all, Profile{Name: name})
				p = &all[len(all)-1]
			}
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if p == nil || nested || !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "region":
			p.Region = firstValid(registry.ValidRegion, value)
		case "role_arn":
			p.Account = firstValid(registry.ValidAccount, submatch(roleAccount, value), p.Account)
		case "sso_account_id":
			p.Account = firstValid(registry.ValidAccount, p.Account, value)
		}
	}
	return all
}
