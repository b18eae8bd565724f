package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Summary says r in one line, for those who look at a service: that all is well,
// or what is not, with the worst of it.
func (r Report) Summary() string {
	var text string
	worst := slices.MaxFunc(append([]Registry{{State: Fresh}}, r.Registries...), func(a, b Registry) int {
		return cmp.Compare(a.trouble(), b.trouble())
	})
	bad := 0
	for _, row := range r.Registries {
		if !row.Well() {
			bad++
		}
	}
	switch p := worst.problem(); {
	case bad == 0:
		text = fmt.Sprintf("%s logged in%s", count(len(r.Registries)), r.next())
	case p == nil && worst.State == Pending:
		text = fmt.Sprintf("%d of %s wait for their first token", bad, count(len(r.Registries)))
	case p == nil:
		text = fmt.Sprintf("%d of %s are just being logged in", bad, count(len(r.Registries)))
	default:
		text = fmt.Sprintf("%d of %s not well: %s %s: %s", bad, count(len(r.Registries)), worst.Host, worst.State, p.Message)
		if p.Hint != "" {
			text += "; " + p.Hint
		}
	}
	if r.Config.Error != nil {
		text = "the configuration has an error and the former one is in force: " + r.Config.Error.Message + "; " + text
	}
	if p := r.HTTP.Problem(); p != nil {
		text = p.Message + "; " + p.Hint + "; " + text
	}
	if p := r.Socket.Error; p != nil {
		text = p.Message + "; " + p.Hint + "; " + text
	}
	return strings.Join(strings.Fields(text), " ") // in one line
}

func count(n int) string {
	if n == 1 {
		return "1 registry"
	}
	return fmt.Sprintf("%d registries", n)
}

// next tells when a token is renewed next.
func (r Report) next() string {
	var first *time.Time
	for _, row := range r.Registries {
		if at := row.NextRefreshAt; at != nil && (first == nil || at.Before(*first)) {
			first = at
		}
	}
	if first == nil {
		return ""
	}
	return ", next renewal at " + first.Local().Format("15:04:05")
}

// problem is what is wrong with a row: with its token, or with a target.
func (r Registry) problem() *Problem {
	if r.Error != nil {
		return r.Error
	}
	for _, t := range r.Targets {
		if t.Error != nil {
			return t.Error
		}
	}
	return nil
}

// trouble ranks rows by how much they need a person.
func (r Registry) trouble() int {
	switch {
	case r.State == Expired:
		return 6
	case r.State == Pending && r.Error != nil:
		return 5
	case r.State == Failing:
		return 4
	case r.problem() != nil:
		return 3
	case r.State == Pending:
		return 2
	case !r.Well():
		return 1
	}
	return 0
}

// WorstFirst sorts rows by how much they need a person, otherwise as they are.
func WorstFirst(rows []Registry) {
	slices.SortStableFunc(rows, func(a, b Registry) int { return cmp.Compare(b.trouble(), a.trouble()) })
}
