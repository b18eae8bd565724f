package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What the project aims at.
const (
	aimWarm  = 3   // times less than their helper with its cache filled
	aimCold  = 20  // times less than their helper with its cache empty
	aimFloor = 2.5 // times what a program takes that only exits
)

const (
	warmRounds = 100
	coldRounds = 20
)

// theirHelper is the name of the program of Debian's amazon-ecr-credential-helper.
const theirHelper = "docker-credential-ecr-login"

// The contenders.
const (
	nameOurs   = "docker-credential-ecr-refreshd get"
	nameWarm   = theirHelper + " get, cache filled"
	nameCold   = theirHelper + " get, cache empty"
	nameFloor  = "floor: a Go program that only exits"
	nameFloorC = "floor: a C program that only exits"
)

// namesTheirs tell the newest of Amazon's helper from Debian's.
var namesTheirs = []string{", " + newestVersion, ", Debian's"}

// compareHelper measures the credential helpers.
func (s *site) compareHelper(ctx context.Context, w io.Writer) error {
	one, err := fleetOf(1)
	if err != nil {
		return err
	}
	env, endpoint := s.env, s.aws.Endpoint()
	if s.far != nil {
		env, endpoint = slices.Concat(env, s.far.env), ""
	}
	env = slices.Clip(env) // each contender appends its own
	d, socket, err := s.serve(ctx, env, 1, endpoint)
	if err != nil {
		return err
	}
	defer d.stop()
	host := one.names()[0]
	check := func(out []byte) error { return s.checkCredentials(host, out) }
	ours := contender{name: nameOurs, env: append(env, "ECR_REFRESHD_SOCKET="+socket), command: []string{s.helper, "get"}, stdin: host, check: check}
	warm := []contender{ours, {name: nameFloor, env: env, command: []string{s.floor}}}
	if s.floorC != "" {
		warm = append(warm, contender{name: nameFloorC, env: env, command: []string{s.floorC}})
	}
	if s.far == nil {
		return s.helperTable(ctx, w, "An answer of the credential helper", warmRounds, 0, warm)
	}
	cold := []contender{ours}
	for i, path := range []string{s.newest, s.find(theirHelper)} {
		if path == "" {
			continue
		}
		cache := filepath.Join(s.dir, fmt.Sprint("their-cache-", i))
		theirs := contender{env: append(env, "AWS_ECR_CACHE_DIR="+cache), command: []string{path, "get"}, stdin: host, check: check}
		theirsWarm, theirsCold := theirs, theirs
		theirsWarm.name, theirsCold.name = nameWarm+namesTheirs[i], nameCold+namesTheirs[i]
		theirsCold.before = func() error { return os.RemoveAll(cache) }
		warm, cold = slices.Insert(warm, 1+i, theirsWarm), append(cold, theirsCold)
	}
	title := "An answer of the credential helper, the others' caches filled"
	if err := s.helperTable(ctx, w, title, warmRounds, aimWarm, warm); err != nil {
		return err
	}
	title = fmt.Sprintf("An answer of the credential helper, AWS a round trip of %s away, the others' caches empty; our daemon runs", farAway)
	return s.helperTable(ctx, w, title, coldRounds, aimCold, cold)
}

// checkCredentials reports whether the registry would take what a helper has answered.
func (s *site) checkCredentials(host string, answer []byte) error {
	var got struct{ Username, Secret string }
	if err := json.Unmarshal(answer, &got); err != nil {
		return errors.New("the answer is not JSON") // the cause could quote a secret
	}
	return s.aws.Check(host, got.Username, got.Secret)
}

// helperTable measures contenders, of which the first is ours.
func (s *site) helperTable(ctx context.Context, w io.Writer, title string, rounds int, aim time.Duration, contenders []contender) error {
	taken, err := alternate(ctx, s.launcher, rounds, contenders)
	if err != nil {
		return err
	}
	names, medians := make([]string, len(contenders)), make([]typical, len(contenders))
	for i, c := range contenders {
		names[i], medians[i] = c.name, middle(taken[i])
	}
	return table(w, fmt.Sprintf("%s, medians of %d alternating runs, and from the tenth of them to the nine tenths", title, rounds), helperRows(names, medians, aim))
}

// helperRows sets the others against the first, which is ours, and judges it by
// their helper, which should take aim times as much, and by the floor.
func helperRows(names []string, medians []typical, aim time.Duration) [][]string {
	ours := medians[0]
	rows := [][]string{{"", "wall", "", "CPU", "", "peak memory", ""}}
	var aims [][]string
	for i, name := range names {
		u := medians[i]
		row := []string{name, milliseconds(u.Wall) + u.spread, "", milliseconds(u.CPU), "", mebibytes(u.Peak), ""}
		if i > 0 {
			row[2], row[4], row[6] = factor(u.Wall, ours.Wall), factor(u.CPU, ours.CPU), factor(u.Peak, ours.Peak)
		}
		rows = append(rows, row)
		switch {
		case strings.HasPrefix(name, nameWarm) || strings.HasPrefix(name, nameCold):
			_, whose, _ := strings.Cut(name, ",")
			aims = append(aims, []string{fmt.Sprintf("aim: ours %d x less than theirs (%s): wall %s, CPU %s", aim, strings.TrimSpace(whose),
				against(ours.Wall*aim, u.Wall), against(ours.CPU*aim, u.CPU))})
		case name == nameFloor:
			wall, cpu := float64(ours.Wall)/float64(u.Wall), float64(ours.CPU)/float64(u.CPU)
			aims = append(aims, []string{fmt.Sprintf("aim: ours within %.1f Go floors: wall %.2f %s, CPU %.2f %s", aimFloor,
				wall, against(wall, aimFloor), cpu, against(cpu, aimFloor))})
		}
	}
	return append(rows, aims...)
}

// factor says how many times ours b is.
func factor[T ~int64](b, ours T) string {
	return fmt.Sprintf("%.2f x ours", float64(b)/float64(max(ours, 1)))
}
