package engine

import (
	"errors"
	"io/fs"
	"path/filepath"

	"ecr-refreshd/internal/filetrust"
)

// fileLimit bounds docker's own files and PEM files, in bytes.
const fileLimit = 1 << 20

// rootAlone is the rule for files that say where root's tokens go.
func rootAlone() filetrust.Rule {
	return filetrust.Rule{What: "where root's tokens go", Owners: []uint32{0}}
}

// readFile is filetrust.Read. With rootOnly the error is a *filetrust.Error when others than
// root could change the file or where path leads.
func readFile(setting, path string, rootOnly bool) ([]byte, error) {
	if rootOnly {
		return rootAlone().Read(setting, path, fileLimit)
	}
	return filetrust.Read(setting, path, fileLimit)
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
