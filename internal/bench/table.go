package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// median is the middle of the values, of an even number the upper of the two.
// There is at least one.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// medianOf is the median of one figure of each item.
func medianOf[E any, T cmp.Ordered](items []E, figure func(E) T) T {
	values := make([]T, len(items))
	for i, item := range items {
		values[i] = figure(item)
	}
	return median(values)
}

// typical is several runs as one: the median of each figure by itself.
type typical struct {
	usage
	spread string // from the tenth of the walls to the nine tenths; empty of few runs
}

func middle(us []usage) typical {
	wall := func(u usage) time.Duration { return u.Wall }
	t := typical{usage: usage{
		CPU:  medianOf(us, func(u usage) time.Duration { return u.CPU }),
		Wall: medianOf(us, wall),
		Peak: medianOf(us, func(u usage) int64 { return u.Peak }),
	}}
	if len(us) >= 5 {
		slices.SortFunc(us, func(a, b usage) int { return cmp.Compare(wall(a), wall(b)) })
		t.spread = fmt.Sprintf(" (%s to %s)", milliseconds(wall(us[len(us)/10])), milliseconds(wall(us[len(us)*9/10])))
	}
	return t
}

func middleIdle(is []idle) idle {
	return idle{
		memory: memory{
			resident:  medianOf(is, func(i idle) int64 { return i.resident }),
			peak:      medianOf(is, func(i idle) int64 { return i.peak }),
			anonymous: medianOf(is, func(i idle) int64 { return i.anonymous }),
			file:      medianOf(is, func(i idle) int64 { return i.file }),
		},
		cpu: medianOf(is, func(i idle) time.Duration { return i.cpu }),
	}
}

func middleRound(rs []roundTrip) roundTrip {
	return roundTrip{
		took:   medianOf(rs, func(r roundTrip) time.Duration { return r.took }),
		daemon: medianOf(rs, func(r roundTrip) time.Duration { return r.daemon }),
		engine: medianOf(rs, func(r roundTrip) time.Duration { return r.engine }),
		aws:    medianOf(rs, func(r roundTrip) time.Duration { return r.aws }),
	}
}

func middleLoad(ls []load) load {
	return load{
		rate:   medianOf(ls, func(l load) float64 { return l.rate }),
		p50:    medianOf(ls, func(l load) time.Duration { return l.p50 }),
		p99:    medianOf(ls, func(l load) time.Duration { return l.p99 }),
		p999:   medianOf(ls, func(l load) time.Duration { return l.p999 }),
		daemon: medianOf(ls, func(l load) time.Duration { return l.daemon }),
		client: medianOf(ls, func(l load) time.Duration { return l.client }),
	}
}

// table prints rows of cells in columns under a title.
func table(w io.Writer, title string, rows [][]string) error {
	fmt.Fprintf(w, "\n%s\n\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, cells := range rows {
		fmt.Fprintf(t, "  %s\n", strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// milliseconds has one digit more behind the point where a tenth would say little.
func milliseconds(d time.Duration) string {
	digits := 1
	if d < 10*time.Millisecond {
		digits = 2
	}
	return fmt.Sprintf("%.*f ms", digits, float64(d)/float64(time.Millisecond))
}

func microseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// times says how often b goes into a.
func times[T ~int64](a, b T) string { return fmt.Sprintf("%.1f x", float64(a)/float64(max(b, 1))) }

// against says whether a figure that should not be larger than its aim is.
func against[T cmp.Ordered](figure, aim T) string {
	if figure <= aim {
		return "met"
	}
	return "missed"
}
