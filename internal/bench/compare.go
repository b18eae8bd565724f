package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// What the project aims at.
const (
	aimCPU  = 20 // times less than the pipeline
	aimTime = 2 * time.Second
)

// sizes are the fleets whose daemon's memory is measured, in hosts, and aims
// what it should not exceed, in bytes; 0 is no aim.
var (
	sizes = []int{1, 100, 2000}
	aims  = []int64{0, 20 << 20, 32 << 20}
)

const (
	manyHosts = 1000
	// repeats is how often the daemon's memory and its first round are measured.
	repeats = 3
)

// The parts of the benchmark.
const (
	partRefresh = "refresh"
	partHelper  = "helper"
	partAPI     = "api"
	partScrape  = "scrape"
	partRound   = "round"
	partWide    = "wide"
	partMemory  = "memory"
)

// parts are all of them, in their order.
func parts() []string {
	return []string{partRefresh, partHelper, partAPI, partScrape, partRound, partWide, partMemory}
}

// compare measures the wanted parts and prints each as it comes.
func (s *site) compare(ctx context.Context, w io.Writer, rounds int, wanted []string) error {
	fmt.Fprintf(w, "On %d CPUs, %s/%s; AWS and the registries are emulated on loopback.\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(load), " ")
		fmt.Fprintf(w, "load before: %s (times say little where that is not near 0; CPU and memory do)\n", first)
	}
	for _, p := range []struct{ name, flag string }{{"aws", "--version"}, {"docker", "--version"}, {theirHelper, "-v"}} {
		if path := s.find(p.name); path != "" {
			fmt.Fprintf(w, "%s: %s\n", p.name, s.version(ctx, path, p.flag))
		} else {
			s.lacking = append(s.lacking, fmt.Sprintf("the program %s is not there", p.name))
		}
	}
	for _, lack := range s.lacking {
		fmt.Fprintf(w, "Not everything can be measured: %s\n", lack)
	}
	var base map[string]typical // what others take for a refresh, by the contender's name
	for _, part := range parts() {
		if !slices.Contains(wanted, part) {
			continue
		}
		var err error
		switch part {
		case partRefresh:
			base, err = s.compareRefresh(ctx, w, rounds)
		case partHelper:
			err = s.compareHelper(ctx, w)
		case partAPI:
			err = s.compareAPI(ctx, w)
		case partScrape:
			err = s.compareScrapes(ctx, w)
		case partRound:
			err = s.compareRound(ctx, w, base)
		case partWide:
			err = s.compareWide(ctx, w)
		case partMemory:
			err = s.compareMemory(ctx, w, base)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareRefresh gives the medians by the contender's name.
func (s *site) compareRefresh(ctx context.Context, w io.Writer, rounds int) (map[string]typical, error) {
	contenders, err := s.refreshers(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := alternate(ctx, s.launcher, rounds, contenders)
	if err != nil {
		return nil, err
	}
	base := make(map[string]typical)
	for i, c := range contenders {
		base[c.name] = middle(taken[i])
	}
	first := base[contenders[0].name]
	rows := [][]string{{"", "CPU", "", "wall", "", "peak memory", ""}}
	for i, c := range contenders {
		u := base[c.name]
		row := []string{c.name, milliseconds(u.CPU), "", milliseconds(u.Wall) + u.spread, "", mebibytes(u.Peak), ""}
		if i > 0 {
			row[2], row[4], row[6] = times(first.CPU, u.CPU)+" less", times(first.Wall, u.Wall)+" less", times(first.Peak, u.Peak)+" less"
		}
		rows = append(rows, row)
	}
	if ours, ok := base[nameOnce]; ok && contenders[0].name == namePipeline {
		rows = append(rows, []string{fmt.Sprintf("aim: %d x less CPU: %s", aimCPU, against(ours.CPU*aimCPU, first.CPU))})
	}
	return base, table(w, fmt.Sprintf("One refresh of one host, medians of %d alternating runs", rounds), rows)
}

// compareRound measures the first round of a daemon with many hosts.
func (s *site) compareRound(ctx context.Context, w io.Writer, base map[string]typical) error {
	many, err := fleetOf(manyHosts)
	if err != nil {
		return err
	}
	engines := []string{""}
	if s.engine != "" {
		engines = append(engines, s.engine)
	}
	taken := make([][]roundTrip, len(engines))
	for range repeats {
		for i, engine := range engines {
			r, err := s.round(ctx, manyHosts, engine)
			if err != nil {
				return err
			}
			taken[i] = append(taken[i], r)
		}
	}
	rows := [][]string{{"", "wall", "best", "CPU", "", "CPU of the engine", "of the emulator"}}
	otherwise := func(part func(usage) time.Duration) time.Duration {
		return time.Duration(many.grants())*part(base[nameAWS].usage) + manyHosts*part(base[nameDocker].usage)
	}
	var cpu time.Duration
	if _, ok := base[nameDocker]; ok {
		cpu = otherwise(func(u usage) time.Duration { return u.CPU })
		rows = append(rows, []string{fmt.Sprintf("%d x aws, %d x docker login, calculated", many.grants(), manyHosts),
			seconds(otherwise(func(u usage) time.Duration { return u.Wall })), "", seconds(cpu)})
	}
	for i, engine := range engines {
		name := "ecr-refreshd run, docker-config only"
		if engine != "" {
			name = "ecr-refreshd run"
		}
		r := middleRound(taken[i])
		best := slices.MinFunc(taken[i], func(a, b roundTrip) int { return cmp.Compare(a.took, b.took) })
		less := ""
		if cpu > 0 {
			less = times(cpu, r.daemon) + " less"
		}
		rows = append(rows, []string{name, seconds(r.took), seconds(best.took), seconds(r.daemon), less, seconds(r.engine), seconds(r.aws)})
		if engine != "" {
			rows = append(rows, []string{fmt.Sprintf("aim: %s: %s", seconds(aimTime), against(r.took, aimTime))})
		}
	}
	return table(w, fmt.Sprintf("%d hosts in %d grants, from no process to the last login, medians of %d runs", manyHosts, many.grants(), repeats), rows)
}

// compareMemory measures daemons that have nothing to do.
func (s *site) compareMemory(ctx context.Context, w io.Writer, base map[string]typical) error {
	taken := make([][]idle, len(sizes))
	for range repeats {
		got, err := s.resident(ctx, sizes)
		if err != nil {
			return err
		}
		for i, m := range got {
			taken[i] = append(taken[i], m)
		}
	}
	rows := [][]string{{"", "resident", "its own", "program file", "peak of its life", "CPU a minute", ""}}
	for i, n := range sizes {
		m := middleIdle(taken[i])
		row := []string{fmt.Sprintf("ecr-refreshd run, hosts: %d", n), mebibytes(m.resident), mebibytes(m.anonymous), mebibytes(m.file),
			mebibytes(m.peak), milliseconds(m.cpu * time.Duration(time.Minute/watch)), ""}
		if aims[i] > 0 {
			row[6] = fmt.Sprintf("aim: %s: %s", mebibytes(aims[i]), against(m.resident, aims[i]))
		}
		rows = append(rows, row)
	}
	for _, name := range []string{namePipeline, nameAWS} {
		if u, ok := base[name]; ok {
			rows = append(rows, []string{name, "", "", "", mebibytes(u.Peak), ""})
			break
		}
	}
	return table(w, fmt.Sprintf("Memory, of the daemon %.0f s after its first round, medians of %d runs", (settle+watch).Seconds(), repeats), rows)
}
