package page

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/status"
)

var (
	images = flag.String("images", "", "the directory for screenshots of every state")
	readme = flag.String("readme", "", "the directory for those of the README")
)

// seen is a report and when it was made.
type seen struct {
	Now    time.Time
	Report status.Report
}

// real is what was seen in a real run: see TestPageSaysWhatIsWrong in internal/e2e.
func real(t *testing.T, name string) seen {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// everything is the states of this package and those of real runs.
func everything(t *testing.T) map[string]seen {
	all := make(map[string]seen)
	for name, r := range states() {
		all[name] = seen{now, r}
	}
	for _, name := range []string{"well", "denied", "no-network", "expired", "disk-full", "config-refused"} {
		all["real-"+name] = real(t, name)
	}
	return all
}

// serve serves the page as it was then.
func serve(t *testing.T, s seen) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		if err := render(&b, s.Report, s.Now, r.URL.RawQuery == "all"); err != nil {
			t.Error(err)
		}
		_, _ = b.WriteTo(w) // the browser may have gone to the next page
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestScreenshots(t *testing.T) {
	if *images == "" && *readme == "" {
		t.Skip("neither -images nor -readme names a directory")
	}
	b := startBrowser(t)
	if *readme != "" {
		readmeImages(t, b)
	}
	if *images == "" {
		return
	}
	for _, width := range []int{1280, 390} {
		for _, dark := range []bool{false, true} {
			p := b.tab(t, width, dark)
			for name, s := range everything(t) {
				p.open(serve(t, s))
				p.screenshot(filepath.Join(*images, fmt.Sprintf("%s-%d-%s.png", name, width, map[bool]string{false: "light", true: "dark"}[dark])), 3000)
			}
		}
	}
}

// readmeImages draws from real runs. Only the day before, and that the daemon ran then, is
// made up: those runs take seconds.
func readmeImages(t *testing.T, b *browser) {
	s := real(t, "denied")
	s.Report.StartedAt = s.Report.StartedAt.Add(-52 * time.Hour)
	s.Report.Config.LoadedAt = s.Report.StartedAt
	for i := range s.Report.Registries {
		h := &s.Report.Registries[i]
		h.LastDay = strings.Repeat("o", 41) + "rrr" + strings.Repeat("o", 51) + h.LastDay
	}
	p := b.tab(t, 1280, false)
	p.open(serve(t, s))
	p.screenshot(filepath.Join(*readme, "page.png"), 3000)
	raw, err := os.ReadFile(filepath.Join("testdata", "terminal.txt"))
	if err != nil {
		t.Fatal(err)
	}
	document := "<!DOCTYPE html><meta charset=utf-8><style>" + terminalStyle + "</style><pre>" + coloured(string(raw)) + "</pre>"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(document)) }))
	defer server.Close()
	p.open(server.URL)
	p.screenshot(filepath.Join(*readme, "terminal.png"), 3000)
	for _, name := range []string{"page.png", "terminal.png"} {
		shrink(t, filepath.Join(*readme, name))
	}
}

const terminalStyle = `body { margin: 0; background: #14181a; color: #dfe3e4; }
pre { margin: 0; padding: 1.75rem 2rem; font: 14px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.c31 { color: #ff8f85; } .c32 { color: #5cc9bd; } .c33 { color: #f0b864; } .c2 { color: #8b979e; }`

// coloured makes HTML of a terminal's colours.
func coloured(text string) string {
	text = html.EscapeString(text)
	text = strings.ReplaceAll(text, "\x1b[0m", "</span>")
	return regexp.MustCompile("\x1b\\[(\\d+)m").ReplaceAllString(text, `<span class="c$1">`)
}

// shrink keeps the colours of an image that are frequent, which halves its size.
func shrink(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	from, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	often := make(map[color.RGBA]int)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	size := from.Bounds()
	for y := range size.Dy() {
		for x := range size.Dx() {
			often[at(x, y)]++
		}
	}
	var palette color.Palette
	for _, c := range slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return often[b] - often[a] })[:min(len(often), 256)] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8)
	to := image.NewPaletted(size, palette)
	for y := range size.Dy() {
		for x := range size.Dx() {
			c := at(x, y)
			i, known := nearest[c]
			if !known {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 150<<10 {
		t.Errorf("%s has %d bytes, want at most 150 KiB", path, out.Len())
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
