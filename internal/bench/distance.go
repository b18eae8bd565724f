package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// farName is where the ECR API of the region of the smallest fleet is.
	farName = "api.ecr.us-east-1.amazonaws.com"
	// farAt is the address that the test bed gives it.
	farAt = "192.0.2.10"
	// farAway is the round trip to it: that between two continents, or through
	// the proxies and the endpoints of a closed network.
	farAway = 100 * time.Millisecond
)

// farAWS is the emulated ECR API under its real name, and far away.
type farAWS struct {
	env   []string // makes AWS SDKs written in Go trust it
	front *front
	road  *road
}

// openFar puts endpoint at a distance, in the test bed, until close.
func openFar(dir, endpoint string) (*farAWS, error) {
	f, err := openFront(farName, endpoint)
	if err != nil {
		return nil, err
	}
	authority := filepath.Join(dir, "far.pem")
	err = os.WriteFile(authority, f.pem, 0o600)
	road, roadErr := openRoad(net.JoinHostPort(farAt, "443"), f.addr, farAway)
	if err := errors.Join(err, roadErr); err != nil {
		f.close()
		return nil, err
	}
	return &farAWS{env: []string{"SSL_CERT_FILE=" + authority}, front: f, road: road}, nil
}

func (f *farAWS) close() {
	f.road.close()
	f.front.close()
}
