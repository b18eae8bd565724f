package page

import (
	"encoding/json"
	"io"
	"testing"
)

// BenchmarkPage and BenchmarkJSON are to be read together: what the page costs at 2,000
// hosts, in terms of the status that it shows.
func BenchmarkPage(b *testing.B) {
	for name, of := range map[string]struct {
		state string
		all   bool
	}{"five fail": {"many", false}, "all fail": {"broken", false}, "all are asked for": {"many", true}} {
		r := states()[of.state]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := render(io.Discard, r, now, of.all); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJSON(b *testing.B) {
	r := states()["many"]
	b.ReportAllocs()
	for b.Loop() {
		if err := json.NewEncoder(io.Discard).Encode(r); err != nil {
			b.Fatal(err)
		}
	}
}
