package emulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/registry"
)

const (
	certificateLife  = 10 * 365 * 24 * time.Hour
	certificateSlack = 24 * time.Hour // for clients whose clock is behind
)

// authority signs the registries' certificates when they are first asked for.
// Certificates are dated by the real clock, as clients verify them by theirs.
type authority struct {
	pem     []byte
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	leafKey *ecdsa.PrivateKey // one for all: a signature a handshake is what it is for
	ips     []net.IP          // of the certificate for clients that send no name

	mu     sync.Mutex
	byName map[string]*tls.Certificate
}

func newAuthority(hosts []string) (*authority, error) {
	a := &authority{
		byName: map[string]*tls.Certificate{},
		ips:    []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	for _, h := range hosts {
		name, _, _ := strings.Cut(h, "=")
		if ip := net.ParseIP(hostname(name)); ip != nil {
			a.ips = append(a.ips, ip)
		}
	}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	if a.leafKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	template := template("ECR emulator CA")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // crypto/rand does not fail
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-certificateSlack),
		NotAfter:     now.Add(certificateLife),
	}
}

// certificate picks the certificate for a handshake.
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hostname(hello.ServerName)
	switch {
	case name == "" || name == "localhost":
		return s.authority.issue("localhost", s.authority.ips)
	case s.sites.find(name) == nil:
		return nil, fmt.Errorf("no registry %q", name)
	}
	if place, err := registry.Parse(name); err == nil && !place.Public {
		// As the real ones do, one certificate serves all accounts of a region.
		_, rest, _ := strings.Cut(name, ".")
		name = "*." + rest
	}
	return s.authority.issue(name, nil)
}

// issue gives the certificate for name, and ips, made at the first call.
func (a *authority) issue(name string, ips []net.IP) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if made, ok := a.byName[name]; ok {
		return made, nil
	}
	template := template(name)
	template.DNSNames = []string{name}
	template.IPAddresses = ips
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, a.leafKey.Public(), a.key)
	if err != nil {
		return nil, err
	}
	made := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.leafKey}
	a.byName[name] = made
	return made, nil
}
