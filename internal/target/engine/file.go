package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"ecr-refreshd/internal/trust"
)

// fileLimit bounds docker's own files and PEM files, in bytes.
const fileLimit = 1 << 20

// rootAlone is the rule for files that say where root's tokens go.
func rootAlone() trust.Rule {
	return trust.Rule{What: "where root's tokens go", Owners: []uint32{0}}
}

// readFile reads a regular file. With rootOnly the error is a *trust.Error when
// others than root could change it or where path leads.
func readFile(path string, rootOnly bool) ([]byte, error) {
	open := trust.Open
	if rootOnly {
		open = rootAlone().Open
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fileLimit+1))
	if err == nil && len(data) > fileLimit {
		err = fmt.Errorf("%q has more than %d bytes", path, fileLimit)
	}
	return data, err
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
