package dockerconfig

import (
	"cmp"
	"path/filepath"
	"strings"

	"ecr-refreshd/internal/config"
)

// settings are what a configuration says of either kind of file.
type settings struct {
	Path   string // absolute
	User   string // whose rights it is written with; without Path, whose file it is
	Helper bool   // the file names the credential helper; otherwise it holds the tokens
}

// configFile is what it says of a config.json.
type configFile struct {
	settings
	InPlace bool // the file keeps its inode
}

// authFile is the same of an auth.json.
type authFile struct{ settings }

// Read reads the options of a docker-config.
func Read(b *config.Block) config.Options {
	var c configFile
	c.settings = readOptions(b, "Default: $DOCKER_CONFIG/config.json, then ~/.docker/config.json.",
		"The account with whose rights the file is written; without path, it is the account's ~/.docker/config.json.",
		config.Bool("in_place", "The file keeps its inode, for one that is mounted by itself into a container. A reader may then meet a change half done.", &c.InPlace))
	if c.Helper && strings.Contains(c.Path, "/snap/docker/") {
		b.Report("delivery", "%q does not work for docker of the snap, which runs no program outside of it; write auths", "helper")
	}
	return c
}

// ReadContainers reads the options of a containers-auth.
func ReadContainers(b *config.Block) config.Options {
	return authFile{readOptions(b, "Default: $REGISTRY_AUTH_FILE; for root "+rootsContainers+"; $XDG_RUNTIME_DIR/containers/auth.json; ~/.config/containers/auth.json.",
		"The account with whose rights the file is written; without path, it is the account's ~/.config/containers/auth.json, and for root "+rootsContainers+".")}
}

func readOptions(b *config.Block, path, user string, more ...config.Field) (s settings) {
	delivery := "auths"
	b.Read(append([]config.Field{
		config.String("path", path, &s.Path, config.AbsolutePath.OrEmpty()),
		config.String("user", user, &s.User, accountText.OrEmpty()),
		config.String("delivery", "auths: the token is in the file. helper: the file only names the credential helper.",
			&delivery, config.OneOf("auths", "helper")),
	}, more...)...)
	if s.Path != "" {
		s.Path = filepath.Clean(s.Path)
	}
	s.Helper = delivery == "helper"
	return s
}

// Place is the file, and for the helper the part of it: tokens and the helper's
// entries are different things in one file.
func (c configFile) Place() string { return c.place("~/.docker/config.json") }

// Place is the same of an auth.json.
func (f authFile) Place() string {
	path, _ := containersPath(f.User)
	return f.place(path)
}

func (s settings) place(standard string) string {
	if rest, inHome := strings.CutPrefix(standard, underHome); inHome {
		standard = "~" + s.User + "/" + rest
	}
	file := cmp.Or(s.Path, standard)
	if s.Helper {
		file += " credHelpers"
	}
	return file
}

// New makes a Target, or a Helper.
func (c configFile) New() (config.Destination, error) { return c.make(Options{InPlace: c.InPlace}) }

// New makes the same of an auth.json.
func (f authFile) New() (config.Destination, error) { return f.make(Options{Containers: true}) }

func (s settings) make(o Options) (config.Destination, error) {
	o.Path, o.User = s.Path, s.User
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
