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
)

var images = flag.String("images", "", "the directory for screenshots of every state")

// serve serves a state as it is at now.
func serve(t *testing.T, state string) string {
	r := states()[state]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := render(w, r, now); err != nil {
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
	for _, state := range slices.Sorted(maps.Keys(states())) {
		url := serve(t, state)
		for _, width := range []int{1280, 390} {
			for _, dark := range []bool{false, true} {
				p := b.tab(t, width, dark)
				p.open(url)
				p.screenshot(filepath.Join(*images, fmt.Sprintf("%s-%d-%s.png", state, width, map[bool]string{false: "light", true: "dark"}[dark])), 3000)
			}
		}
	}
}
