package engine

import (
	"errors"
	"io/fs"
	"path/filepath"

	"ecr-refreshd/internal/filetrust"
)

const (
	// fileLimit bounds what docker keeps of contexts, and PEM files, in bytes.
	fileLimit = 1 << 20
	// configLimit bounds a config.json, which may hold the logins of thousands of hosts. It is
	// what the docker-config target takes.
	configLimit = 8 << 20
)

// rootAlone is the rule for files that say where root's tokens go.
func rootAlone() filetrust.Rule {
	return filetrust.Rule{What: "where root's tokens go", Owners: []uint32{0}}
}

// readFile is filetrust.Read. With rootOnly the error is a *filetrust.Error when others than
// root could change the file or where path leads.
func readFile(setting, path string, limit int64, rootOnly bool) ([]byte, error) {
	if rootOnly {
		return rootAlone().Read(setting, path, limit)
	}
	return filetrust.Read(setting, path, limit)
}

// checkPlace refuses a directory in which others than root could add files or
// take them away. One that is not there is in order.
func checkPlace(dir string) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := rootAlone().Follow(absolute); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
