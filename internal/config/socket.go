package config

import (
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxSocketPath is what sun_path of unix(7) holds, in bytes, without the NUL
// at its end.
const maxSocketPath = 107

const (
	groupMode    fs.FileMode = 0o660 // the socket's group may connect
	everyoneMode fs.FileMode = 0o666
)

// SocketMode is the mode of the socket's file. Where the file writes none, it
// is 0660; but where an allow names somebody, everyone may connect: those who
// are named could not otherwise, whatever their groups, and secrets are guarded
// by the allow, as the kernel says who asks.
func (c *Config) SocketMode() fs.FileMode {
	switch {
	case c.Socket.Mode != 0:
		return c.Socket.Mode
	case !c.Socket.Allow.Empty() || slices.ContainsFunc(c.Grants, Grant.allowsSomebody):
		return everyoneMode
	}
	return groupMode
}

func (g Grant) allowsSomebody() bool {
	return slices.ContainsFunc(g.Hosts, func(h Host) bool { return !h.Allow.Empty() })
}

// equal reports whether both were written alike: a name and its id differ.
func (a Allow) equal(b Allow) bool {
	return slices.Equal(a.Users, b.Users) && slices.Equal(a.Groups, b.Groups)
}

// socketPath is the name of a socket's file.
var socketPath = Text{
	Want:    fmt.Sprintf("an absolute path of at most %d bytes", maxSocketPath),
	Pattern: AbsolutePath.Pattern,
	Fault: func(text string) (why, write string) {
		if len(text) > maxSocketPath {
			return fmt.Sprintf("has %d bytes, and a socket's address holds no more than %d", len(text), maxSocketPath), "a shorter path"
		}
		return AbsolutePath.Fault(text)
	},
}

var (
	userKind  = principal("user", `jenkins or "1001"`)
	groupKind = principal("group", `docker or "999"`)
)

// principal is a user or a group: a name that useradd accepts, or an id. It is
// as lenient as Debian's useradd, as directories have names with capitals,
// dots, @ and backslashes, save that *, % and a leading @ are refused: some
// files give them a meaning that they do not have here.
func principal(what, example string) Text {
	return Text{
		Want: fmt.Sprintf("the name of a %s, or its id in quotes, such as %s", what, example),
		Fault: func(text string) (why, write string) {
			name := strings.TrimSuffix(text, "$") // as accounts of machines and services have it
			switch {
			case text != "" && strings.Trim(text, "0123456789") == "":
				if !validID(text) {
					return "is not an id", fmt.Sprintf("a number from 0 to %d without leading zeros", uint32(math.MaxUint32-1))
				}
			case name == "", len(text) > 256, strings.ContainsAny(name[:1], "-+@"),
				strings.ContainsAny(name, "/:,~*%$"), strings.ContainsFunc(name, unicode.IsSpace):
				return "is not the name of a " + what, ""
			}
			return "", ""
		},
	}
}

// validID reports whether s is a uid or gid. The largest number is none: to
// chown(2) and its kin it says "leave as it is".
func validID(s string) bool {
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && n != math.MaxUint32 && strconv.FormatUint(n, 10) == s
}

func (s *Socket) field() Field {
	return Group("socket", "The local API; the credential helper and the commands talk to it.", []Field{
		String("path", "Default: /run/ecr-refreshd/ecr-refreshd.sock, and for another user than root $XDG_RUNTIME_DIR/ecr-refreshd/ecr-refreshd.sock.",
			&s.Path, socketPath.OrEmpty()),
		String("group", "The group of the socket's file: a name, or an id in quotes. Default: the daemon's own.", &s.Group, groupKind.OrEmpty()),
		s.modeField(),
		s.Allow.field(),
	}, func(*Block) {
		if s.Path != "" {
			s.Path = filepath.Clean(s.Path)
		}
	})
}

// modeField is a mode in octal, or "" for the default, which is given as 0.
// Without read and write for its owner a socket is of no use, and there is
// nothing on one to execute.
func (s *Socket) modeField() Field {
	t := Text{Want: `an octal mode in quotes from "0600" to "0666", such as "0660"`, Pattern: "^06[0246]{2}$", Fault: func(text string) (why, write string) {
		n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
		octal := fmt.Sprintf("%04o", n)
		switch {
		case err != nil:
			return "is not an octal mode", ""
		case n&^0o666 != 0:
			return "holds more than read and write", ""
		case n&0o600 != 0o600:
			return "does not let the owner read and write", ""
		case text != octal:
			return "is not four digits", strconv.Quote(octal)
		}
		s.Mode = fs.FileMode(n)
		return "", ""
	}}.OrEmpty()
	return Field{"mode", `The mode of the socket's file, in octal and quotes. Default: "0660", and "0666" where an allow names somebody.`,
		shape{text: t, preset: ""}, t.good}
}

func (a *Allow) field() Field {
	return Group("allow", "Who gets a secret, besides root and the daemon's own user. Default of the socket: the members of its group; of registries: the socket's.", []Field{
		names("users", "Users who get it.", &a.Users, userKind, "[jenkins]"),
		names("groups", "Groups whose members get it.", &a.Groups, groupKind, "[docker]"),
	}, nil)
}
