// Command proof measures what the project claims and prints a table of claims, figures and verdicts. Each claim is a
// test, run at its full length; make test runs most of them shortened. It needs what make test
// needs, and takes most of an hour on two cores.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	only := flag.String("only", ".", "measure only the claims whose test matches this `expression`")
	into := flag.String("write", "", "a `file` in which to replace the table")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *into != "" && *only != "." {
		return errors.New("-write with -only would leave a table of a part")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var all []result
	failed := 0
	for _, c := range claims {
		if !wanted.MatchString(c.test) {
			continue
		}
		fmt.Fprintf(out, "%s\n  %s\n", c.text, c.command())
		r := c.measure(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if all = append(all, r); !r.holds {
			failed++
			fmt.Fprintln(out, r.output)
		}
		for _, figure := range r.figures {
			fmt.Fprintln(out, "  "+figure)
		}
		fmt.Fprintf(out, "  %s after %s\n\n", r.verdict(), r.took.Round(time.Second))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.verdict(), r.test, r.text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if *into != "" {
		if err := replaceTable(*into, table(all)); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d claims do not hold", failed, len(all))
	}
	return nil
}

// claim is what the project says of itself, and the test that shows it.
type claim struct {
	text string
	pack string // of the test, below internal
	test string // a regular expression, as go test -run takes it
	args []string
}

type result struct {
	claim
	holds   bool
	figures []string
	took    time.Duration
	output  string // its end
}

func (r result) verdict() string {
	if r.holds {
		return "holds"
	}
	return "FAILS"
}

func (c claim) arguments() []string {
	return append([]string{"test", "-count=1", "-timeout", "40m", "-v", "ecr-refreshd/internal/" + c.pack, "-run", c.test}, c.args...)
}

func (c claim) command() string { return "go " + strings.Join(c.arguments(), " ") }

// figure is what a test logs of what it has measured.
var figure = regexp.MustCompile(`(?m)^\s+\w+_test\.go:\d+: figure: (.*)$`)

// measure runs the test. One that was skipped shows nothing.
func (c claim) measure(ctx context.Context) result {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", c.arguments()...)
	cmd.Env = append(os.Environ(), "ECR_REFRESHD_NO_SKIP=1")
	text, err := cmd.CombinedOutput()
	r := result{claim: c, took: time.Since(began)}
	r.holds = err == nil && bytes.Contains(text, []byte("--- PASS: ")) && !bytes.Contains(text, []byte("--- SKIP: "))
	for _, m := range figure.FindAllSubmatch(text, -1) {
		r.figures = append(r.figures, string(m[1]))
	}
	const end = 4000
	r.output = string(text[max(0, len(text)-end):])
	return r
}

const (
	tableBegins = "<!-- The table is written by make proof. -->\n"
	tableEnds   = "<!-- It ends here. -->\n"
)

// table is the results as Markdown.
func table(all []result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d CPUs, %s.\n\n| claim | figures | verdict | test |\n|---|---|---|---|\n",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, r := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", r.text, strings.Join(r.figures, "; "), r.verdict(), r.command())
	}
	return b.String()
}

func replaceTable(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return fmt.Errorf("%s: no place for the table", path)
	}
	return os.WriteFile(path, []byte(before+tableBegins+table+tableEnds+after), 0o644)
}
