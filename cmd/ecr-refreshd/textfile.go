package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ecr-refreshd/internal/daemon"
)

// writeTextfile replaces the file in one step, as node_exporter may read it at any moment. It
// lets everybody read it: node_exporter runs as another user.
func writeTextfile(d *daemon.Daemon, path string) error {
	var text bytes.Buffer
	if err := d.WriteGauges(&text); err != nil {
		return err
	}
	// By the open directory: one that is swapped meanwhile changes nothing.
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write the metrics for --textfile %s: %w", path, err)
	}
	defer dir.Close() // nothing was written by it
	// node_exporter passes over the new file's name, which does not end in .prom.
	name := ".ecr-refreshd-" + rand.Text()
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.Write(text.Bytes())
		if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
			err = dir.Rename(name, filepath.Base(path))
		}
		if err != nil {
			err = errors.Join(err, dir.Remove(name))
		}
	}
	if err != nil {
		return fmt.Errorf("write the metrics for --textfile %s: %w", path, err)
	}
	return nil
}
