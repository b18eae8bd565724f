package discover

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/registry"
)

// profile is one of the shared files of an account. It is made of both, as the SDK
// does.
type profile struct {
	name, user string
	region     string
	account    string // of its role, if it has one
}

// sharedFile is a file that profiles are in.
type sharedFile struct {
	path string // in the file system, not as shown
	user string
}

// instance is the EC2 instance that this host is.
type instance struct {
	ecr.Instance
	is  bool
	err error // what kept the rest from being known
}

var (
	// word is a name without anything that a terminal or a shell could mistake.
	word        = regexp.MustCompile(`^[\w.@+=,-]{1,64}$`)
	roleAccount = regexp.MustCompile(`^arn:aws[a-z-]*:iam::([0-9]{12}):role/`)
	sectionName = regexp.MustCompile(`^\[\s*(?:profile\s+)?["']?([^\]"']*?)["']?\s*\]`)
)

// findInstance asks the metadata service. The firmware decides whether there is one,
// so that no other host waits for an address that is not there.
func (h *host) findInstance(ctx context.Context) {
	endpoint := h.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")
	if h.Getenv("AWS_EC2_METADATA_DISABLED") == "true" || endpoint == "" &&
		!strings.HasPrefix(h.system().read("/sys/class/dmi/id/sys_vendor")+h.system().read("/sys/class/dmi/id/bios_vendor"), "Amazon EC2") {
		return
	}
	i, err := ecr.LookUpInstance(ctx, endpoint)
	i.Account = firstValid(registry.ValidAccount, i.Account)
	i.Region = firstValid(registry.ValidRegion, i.Region)
	i.Role = firstValid(word.MatchString, strings.TrimSpace(i.Role))
	h.instance = instance{i, true, err}
}

// environment is what AWS variables hold; the newer name of two counts.
func (h *host) environment(valid func(string) bool, name string) string {
	return firstValid(valid, h.Getenv("AWS_"+name), h.Getenv("AWS_DEFAULT_"+name))
}

func firstValid(valid func(string) bool, texts ...string) string {
	for _, t := range texts {
		if t != "" && valid(t) {
			return t
		}
	}
	return ""
}

// awsProfiles notes the profiles of an account.
func (t *tree) awsProfiles() {
	var all []profile
	for _, name := range []string{"/.aws/config", "/.aws/credentials"} {
		if text := t.read(name); text != "" {
			t.files = append(t.files, sharedFile{path.Join(t.owner.Home, name), t.owner.Name})
			all = parseProfiles(all, t.owner.Name, text)
		}
	}
	t.profiles = append(t.profiles, all...)
}

// parseProfiles adds the profiles of a shared file, of either kind, to all. Of keys
// and of what is not for a profile nothing is taken.
func parseProfiles(all []profile, user, text string) []profile {
	at := -1
	for l := range strings.Lines(text) {
		if m := sectionName.FindStringSubmatch(l); m != nil {
			name := m[1]
			at = slices.IndexFunc(all, func(p profile) bool { return p.name == name })
			if at < 0 && word.MatchString(name) { // not [sso-session x]
				at = len(all)
				all = append(all, profile{name: name, user: user})
			}
			continue
		}
		key, value, _ := strings.Cut(l, "=") // that of a nested setting begins with a blank
		value = strings.TrimSpace(value)
		if at < 0 {
			continue
		}
		switch p := &all[at]; strings.ToLower(strings.TrimRight(key, " \t")) {
		case "region":
			p.region = firstValid(registry.ValidRegion, p.region, value)
		case "role_arn":
			if m := roleAccount.FindStringSubmatch(value); m != nil {
				p.account = m[1]
			}
		case "sso_account_id":
			p.account = firstValid(registry.ValidAccount, p.account, value)
		}
	}
	return all
}
