package main

import (
	"bytes"
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
	// node_exporter passes over the new file's name, which does not end in .prom.
	f, err := os.CreateTemp(filepath.Dir(path), ".ecr-refreshd-*")
	if err != nil {
		return fmt.Errorf("write the metrics for --textfile %s: %w", path, err)
	}
	_, err = f.Write(text.Bytes())
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the metrics for --textfile %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
