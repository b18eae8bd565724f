package metrics

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"ecr-refreshd/internal/status"
)

// A scrape of 2,000 hosts beside the status of the same hosts as JSON.
func BenchmarkScrape(b *testing.B) {
	report := fleet(2000)
	h := New(func() status.Report { return report }).Handler()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(discard{}, httptest.NewRequest("GET", "/metrics", nil))
	}
}

func BenchmarkStatusJSON(b *testing.B) {
	report := fleet(2000)
	b.ReportAllocs()
	for b.Loop() {
		if err := json.NewEncoder(io.Discard).Encode(report); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a client that reads everything at once.
type discard struct{}

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }
