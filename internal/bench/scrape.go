package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	scrapeHosts = 2000
	scrapes     = 30 // of each kind
	// aimScrape is the CPU time that a scrape may take of the daemon.
	aimScrape = 50 * time.Millisecond
)

// scraped is what those who watch ask for. The first is what the others are compared with.
var scraped = []string{"/v1/status", "/metrics", "/readyz", "/healthz"}

// compareScrapes measures what those who watch a large daemon cost it.
func (s *site) compareScrapes(ctx context.Context, w io.Writer) error {
	d, socket, err := s.serve(ctx, s.env, scrapeHosts, s.aws.Endpoint())
	if err != nil {
		return err
	}
	defer d.stop()
	if err := pause(ctx, settle); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	rows := [][]string{{"", "CPU of the daemon", "of the status", "KiB"}}
	each := make(map[string]time.Duration)
	for _, path := range scraped {
		before, err := cpuOf(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		var size int64
		for range scrapes {
			if size, err = ask(ctx, client, path); err != nil {
				return err
			}
		}
		after, err := cpuOf(d.cmd.Process.Pid)
		if err != nil {
			return err
		}
		each[path] = (after - before) / scrapes
		rows = append(rows, []string{path, milliseconds(each[path]), fmt.Sprintf("%.1f", float64(each[path])/float64(each[scraped[0]])), fmt.Sprint(size >> 10)})
	}
	rows = append(rows, []string{fmt.Sprintf("aim: a scrape below %s: %s", milliseconds(aimScrape), against(each["/metrics"], aimScrape))})
	return table(w, fmt.Sprintf("Watching a daemon of %d hosts, means of %d requests", scrapeHosts, scrapes), rows)
}

// ask gets a path and returns the size of the answer.
func ask(ctx context.Context, client *http.Client, path string) (size int64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if size, err = io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return size, err
}
