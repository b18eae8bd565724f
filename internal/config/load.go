package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ecr-refreshd/internal/filetrust"
)

// SystemPath is where a host's configuration is.
const SystemPath = "/etc/ecr-refreshd/config.yaml"

// Find gives the path of the configuration: flag if it is not empty, then
// $ECR_REFRESHD_CONFIG, then the first file that exists. For root that is
// /etc/ecr-refreshd/config.yaml. Another user's own
// $XDG_CONFIG_HOME/ecr-refreshd/config.yaml comes before it: who has written
// one means it, and the host's file is often not readable to them. A file that
// is named or that cannot be looked at is given all the same, so that Load says
// what is wrong with it.
func Find(flag string, getenv func(string) string, uid int) (path string, err error) {
	return find(flag, getenv, uid, SystemPath)
}

func find(flag string, getenv func(string) string, uid int, system string) (string, error) {
	const variable = "ECR_REFRESHD_CONFIG"
	if flag != "" {
		return flag, nil
	}
	if path := getenv(variable); path != "" {
		return path, nil
	}
	places := []string{system}
	if own := OwnPath(getenv); uid != 0 && own != "" {
		places = []string{own, system}
	}
	for _, p := range places {
		// Opened rather than looked at, for this does not wait for a dead file system.
		if _, err := filetrust.Read("find the configuration", p, maxFile); !errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
	}
	return "", fmt.Errorf("no configuration file: looked for --config, $%s, %s; write the smallest that works to %s:\n%s",
		variable, strings.Join(places, ", "), places[0], smallest)
}

// OwnPath is a user's own file, or "" for one without a home. The XDG base
// directory specification has relative paths ignored.
func OwnPath(getenv func(string) string) string {
	base := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		home := getenv("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "ecr-refreshd", "config.yaml")
}

// Load reads and checks the file at path, with targets of these kinds. It refuses a file that somebody else
// than root and the caller could change, as whoever writes it decides which
// commands run and where secrets go. It returns within seconds even where the file
// system hangs. The error is of type Problems for what is wrong in the file.
func Load(path string, kinds Kinds) (*Config, error) {
	const what = "read the configuration"
	data, err := callerAndRoot().Read(what, path, maxFile)
	var refused *filetrust.Error
	switch {
	case errors.As(err, &refused):
		return nil, fmt.Errorf("%w; run: %s", err, refused.Fix)
	case errors.Is(err, filetrust.ErrNotRegular):
		return nil, fmt.Errorf("%w; write the configuration into one", err)
	case errors.Is(err, filetrust.ErrTooLarge):
		return nil, Problems{{File: path, Text: tooLarge}}
	case err != nil:
		return nil, err
	}
	return Parse(path, data, kinds)
}
