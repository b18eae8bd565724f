package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// line is one line of the daemon's log.
type line struct {
	Time          time.Time `json:"time"`
	Level         string    `json:"level"`
	Msg           string    `json:"msg"`
	Host          []string  `json:"host"`
	Region        string    `json:"region"`
	Target        string    `json:"target"`
	ExpiresAt     time.Time `json:"expires_at"`
	NextRefreshAt time.Time `json:"next_refresh_at"`

	text string // the whole line
}

// readLine reads a line. One that is not an event, such as a panic's, has only
// its text.
func readLine(text string) line {
	var l line
	if err := json.Unmarshal([]byte(text), &l); err != nil || l.Msg == "" {
		return line{text: text}
	}
	l.text = text
	return l
}

// renewed says whether a new token is there; the first one counts.
func (l line) renewed() bool { return strings.HasPrefix(l.Msg, "token renewed") }

// stored says whether the logins of l.Host are in the file that is pulled with.
func (l line) stored() bool {
	return strings.HasPrefix(l.Msg, "login stored") && l.Target == targetFile
}

// loud says whether a person should see the line as it is.
func (l line) loud() bool { return !slices.Contains([]string{"debug", "info"}, l.Level) }
