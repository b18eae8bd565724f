package emulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// controlFault is Fault as scripts write it: durations as in "1m30s".
type controlFault struct {
	Operation string `json:"operation"`
	Region    string `json:"region"`
	Times     int    `json:"times"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Delay     string `json:"delay"`
	Drop      bool   `json:"drop"`
	ExpiresIn string `json:"expires_in"`
	Body      string `json:"body"`
}

// control adds the API for scripts to mux. Its requests are not calls.
func (s *Server) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /_emulator/ca", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(s.CA())
	})
	mux.HandleFunc("GET /_emulator/calls", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Calls())
	})
	mux.HandleFunc("POST /_emulator/faults", func(w http.ResponseWriter, r *http.Request) {
		f, err := readFault(http.MaxBytesReader(w, r.Body, maxAPIBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, http.StatusCreated, map[string]int{"id": s.faults.add(f)})
	})
	mux.HandleFunc("DELETE /_emulator/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_emulator/faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || !s.faults.remove(id) {
			http.Error(w, fmt.Sprintf("there is no fault %q", r.PathValue("id")), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("/_emulator/", http.NotFoundHandler())
}

// readFault reads one Fault in JSON. Unknown keys are errors: a misspelt fault
// that never happens would make a test pass for nothing.
func readFault(r io.Reader) (Fault, error) {
	var c controlFault
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Fault{}, fmt.Errorf("read the fault: %w", err)
	}
	f := Fault{
		Operation: c.Operation, Region: c.Region, Times: c.Times, Status: c.Status,
		Code: c.Code, Message: c.Message, Drop: c.Drop, Body: c.Body,
	}
	var errs [3]error
	if c.Delay != "" {
		f.Delay, errs[0] = time.ParseDuration(c.Delay)
	}
	if c.ExpiresIn != "" {
		var d time.Duration
		d, errs[1] = time.ParseDuration(c.ExpiresIn)
		f.ExpiresIn = &d
	}
	if c.Status != 0 && (c.Status < 200 || c.Status > 599) {
		errs[2] = fmt.Errorf("status %d: want 200 to 599", c.Status)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return Fault{}, fmt.Errorf("read the fault: %w", err)
	}
	return f, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone misses nothing
}
