package e2e

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cgroups are the control groups of a host: without, two of them at a time would
// take each other's processes for their own.
type cgroups []string

// newCgroups makes one in each hierarchy that systemd uses, of the same name, as
// systemd-nspawn would do it otherwise.
func newCgroups() (cgroups, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var made cgroups
	name := "ecr-refreshd-e2e-" + rand.Text()
	for line := range strings.Lines(string(mounts)) {
		place, kind, _ := strings.Cut(line, " - ") // see proc_pid_mountinfo(5)
		if fields := strings.Fields(place); len(fields) > 4 && (strings.HasPrefix(kind, "cgroup2 ") || strings.Contains(kind, "name=systemd")) {
			dir := filepath.Join(fields[4], name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				return nil, errors.Join(err, made.remove())
			}
			made = append(made, dir)
		}
	}
	if len(made) == 0 {
		return nil, errors.New("no control groups are mounted")
	}
	return made, nil
}

// remove removes the groups with all below them, which have no processes left.
func (c cgroups) remove() error {
	var errs []error
	for _, group := range c {
		var dirs []string
		errs = append(errs, filepath.WalkDir(group, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return err
		}))
		for _, dir := range slices.Backward(dirs) {
			errs = append(errs, os.Remove(dir))
		}
	}
	return errors.Join(errs...)
}
