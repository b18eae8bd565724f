package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// wide is the fleet of the widest first round, whose hosts all go to each of so many files.
var wide = fleet{profiles: 5, regions: 8, accounts: 50}

const (
	wideFiles = 10
	// aimPeak is what the daemon should not exceed then, in bytes.
	aimPeak = 40 << 20
)

// compareWide measures one first round of many grants to many files: how often each is
// written, and the memory that it takes.
func (s *site) compareWide(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp(s.dir, "wide-")
	if err != nil {
		return err
	}
	files := make([]string, wideFiles)
	for i := range files {
		files[i] = filepath.Join(dir, fmt.Sprint(i), "config.json")
	}
	config := filepath.Join(dir, "ecr-refreshd.yaml")
	text := wide.config(s.aws.Endpoint(), files, "", filepath.Join(dir, "ecr-refreshd.sock"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	count, err := countWrites(files)
	if err != nil {
		return err
	}
	d, err := startDaemon(s.daemon, s.env, config, "debug", wide.hosts(), wideFiles)
	if err != nil {
		return err
	}
	defer d.stop()
	took, err := d.firstRound(ctx)
	if err != nil {
		return fmt.Errorf("daemon with %d files: %w", wideFiles, err)
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	m, err := memoryOf(d.cmd.Process.Pid)
	if err != nil {
		return err
	}
	writes, err := count()
	if err != nil {
		return err
	}
	cpu := d.stop()
	return table(w, fmt.Sprintf("%d hosts in %d grants to %d files, from no process to the last login, one run", wide.hosts(), wide.grants(), wideFiles), [][]string{
		{"", "wall", "CPU", "peak of its life", "writes a file", ""},
		{"ecr-refreshd run", seconds(took), seconds(cpu), mebibytes(m.peak), fmt.Sprintf("%.1f", float64(writes)/wideFiles),
			fmt.Sprintf("aim: %s: %s", mebibytes(aimPeak), against(m.peak, aimPeak))},
	})
}

// countWrites makes the files' directories and counts how often something takes a file's place
// there, until it is asked how often that was.
func countWrites(files []string) (count func() (int, error), err error) {
	watcher, err := fsnotify.NewBufferedWatcher(1 << 12)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f), 0o700); err != nil {
			return nil, err
		}
		if err := watcher.Add(filepath.Dir(f)); err != nil {
			return nil, err
		}
	}
	end := filepath.Join(filepath.Dir(files[0]), "end")
	return func() (int, error) {
		defer watcher.Close()
		if err := os.WriteFile(end, nil, 0o600); err != nil { // its event is the last
			return 0, err
		}
		for n := 0; ; {
			select {
			case err := <-watcher.Errors:
				return 0, fmt.Errorf("count the writes: %w", err)
			case e := <-watcher.Events:
				switch {
				case e.Name == end:
					return n, nil
				case e.Has(fsnotify.Create) && filepath.Base(e.Name) == "config.json":
					n++
				}
			}
		}
	}, nil
}
