package page

import (
	"encoding/json"
	"io"
	"testing"
)

// BenchmarkPage and BenchmarkJSON are to be read together: what the page costs at 2,000
// hosts, in terms of the status that it shows.
func BenchmarkPage(b *testing.B) {
	for _, state := range []string{"many", "broken"} {
		r := states()[state]
		b.Run(state, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := render(io.Discard, r, now, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJSON(b *testing.B) {
	for _, state := range []string{"many", "broken"} {
		r := states()[state]
		b.Run(state, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := json.NewEncoder(io.Discard).Encode(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
