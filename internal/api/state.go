package api

import (
	"encoding/json"
	"io"

	"ecr-refreshd/internal/crowd"
)

// statusText answers GET /v1/status.
func statusText(b Backend) *crowd.Text {
	return &crowd.Text{Type: typeJSON, Make: func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(b.Status()); err != nil {
			panic(err) // see encode
		}
		return nil
	}}
}
