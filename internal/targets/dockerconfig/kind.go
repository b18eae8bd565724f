package dockerconfig

import (
	"cmp"
	"path/filepath"
	"strings"

	"ecr-refreshd/internal/config"
)

// settings are what a configuration says of a config.json.
type settings struct {
	Path   string // absolute
	User   string // whose rights it is written with; without Path, whose ~/.docker/config.json it is
	Helper bool   // the file names the credential helper; otherwise it holds the tokens
}

// Read reads the options of a docker-config.
func Read(b *config.Block) config.Options {
	var s settings
	delivery := "auths"
	b.Read(
		config.String("path", "Default: $DOCKER_CONFIG/config.json, then ~/.docker/config.json.", &s.Path, config.AbsolutePath.OrEmpty()),
		config.String("user", "The account with whose rights the file is written; without path, it is the account's ~/.docker/config.json.", &s.User, accountText.OrEmpty()),
		config.String("delivery", "auths: the token is in the file. helper: the file only names the credential helper.",
			&delivery, config.OneOf("auths", "helper")),
	)
	if s.Path != "" {
		s.Path = filepath.Clean(s.Path)
	}
	s.Helper = delivery == "helper"
	if s.Helper && strings.Contains(s.Path, "/snap/docker/") {
		b.Report("delivery", "%q does not work for docker of the snap, which runs no program outside of it; write auths", delivery)
	}
	return s
}

// Place is the file, and for the helper the part of it: tokens and the helper's
// entries are different things in one file.
func (s settings) Place() string {
	file := cmp.Or(s.Path, "~"+s.User+"/.docker/config.json")
	if s.Helper {
		file += " credHelpers"
	}
	return file
}

// New makes a Target, or a Helper.
func (s settings) New() (config.Destination, error) {
	o := Options{Path: s.Path, User: s.User}
	if s.Helper {
		return made(NewHelper(o))
	}
	return made(New(o))
}

func made[T config.Destination](t T, err error) (config.Destination, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

// accountText is lenient, as directories have names with capitals, dots, @ and
// backslashes. A number would be a uid, which has no home of its own.
var accountText = config.Text{
	Want:    "the name of an account of this host, such as jenkins",
	Pattern: `^[^-\s/:,~$][^\s/:,~$]*$`,
	Fault: func(text string) (why, write string) {
		switch {
		case strings.Trim(text, "0123456789") == "":
			return "is a number", ""
		case len(text) > 256, strings.HasPrefix(text, "-"), strings.ContainsAny(text, " /:,~$"):
			return "is not the name of an account", ""
		}
		return "", ""
	},
}
