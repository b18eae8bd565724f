package page

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"ecr-refreshd/internal/status"
)

var images = flag.String("images", "", "the directory for screenshots of every state")

// serve serves r as it is at now.
func serve(t *testing.T, r status.Report) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := render(w, r, now, req.URL.RawQuery == "all"); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestScreenshots(t *testing.T) {
	if *images == "" {
		t.Skip("-images names no directory")
	}
	b := startBrowser(t)
	all := states()
	for _, state := range slices.Sorted(maps.Keys(all)) {
		url := serve(t, all[state])
		for _, width := range []int{1280, 390} {
			for _, dark := range []bool{false, true} {
				p := b.tab(t, width, dark)
				p.open(url)
				p.screenshot(filepath.Join(*images, fmt.Sprintf("%s-%d-%s.png", state, width, map[bool]string{false: "light", true: "dark"}[dark])), 3000)
			}
		}
	}
}
