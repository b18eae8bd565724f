package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue signs a certificate for ip, for either end of a connection.
func (a authority) issue(t *testing.T, ip string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "engine"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(ip)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// write puts a certificate of the authority and its own into dir, named as docker names them.
func (a authority) write(t *testing.T, dir string) {
	t.Helper()
	pair := a.issue(t, "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "ca.pem"), a.pem)
	writeFile(t, filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	writeFile(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveTLS is an engine that asks for a client certificate of a.
func serveTLS(t *testing.T, a authority, change func(*tls.Config)) string {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	s := httptest.NewUnstartedServer(&fakeEngine{version: "1.41"})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.issue(t, "127.0.0.1")},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	if change != nil {
		change(s.TLS)
	}
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return "tcp://" + s.Listener.Addr().String()
}

func TestTLS(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	good, foreign := t.TempDir(), t.TempDir()
	ours.write(t, good)
	other.write(t, foreign)
	host := serveTLS(t, ours, nil)
	old := serveTLS(t, ours, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 })
	plain := httptest.NewServer(&fakeEngine{version: "1.41"})
	t.Cleanup(plain.Close)
	in := func(host, dir string) Options {
		return Options{Host: host, CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	}
	without := in(host, good)
	without.Cert, without.Key = "", ""
	tests := []struct {
		name string
		o    Options
		want fault.Reason
	}{
		{"good", in(host, good), ""},
		{"another authority", in(host, foreign), fault.Engine},
		{"no client certificate", without, fault.Engine},
		{"old TLS", in(old, good), fault.Engine},
		{"no TLS on our side", Options{Host: host}, fault.Engine},
		{"no TLS on the engine's side", in("tcp://"+plain.Listener.Addr().String(), good), fault.Engine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := newTarget(tt.o).Store(t.Context(), loginsFor("h"))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			all := fault.All(err)
			if len(all) != 1 || all[0].Reason != tt.want || !strings.Contains(all[0].Hint, "TLS 1.2") {
				t.Errorf("got %v, %+v", err, all)
			}
		})
	}
}

func TestTLSFilesThatCannotBeUsedAreLocal(t *testing.T) {
	dir := t.TempDir()
	newAuthority(t).write(t, dir)
	broken := filepath.Join(dir, "broken.pem")
	writeFile(t, broken, []byte("-----BEGIN RSA PRIVATE KEY-----\nsecret-bytes"))
	file := func(name string) string { return filepath.Join(dir, name) }
	tests := []struct {
		name string
		o    Options
		want string // the path
	}{
		{"no ca", Options{CA: file("nowhere.pem")}, file("nowhere.pem")},
		{"broken ca", Options{CA: broken}, broken},
		{"no key", Options{Cert: file("cert.pem"), Key: file("nokey.pem")}, file("nokey.pem")},
		{"broken key", Options{Cert: file("cert.pem"), Key: broken}, broken},
		{"no cert", Options{Cert: file("nocert.pem"), Key: file("key.pem")}, file("nocert.pem")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Host = "tcp://127.0.0.1:1"
			err := newTarget(tt.o).Store(t.Context(), loginsFor("h"))
			var e *fault.Error
			if !errors.As(err, &e) || e.Reason != fault.Local || !strings.Contains(err.Error(), tt.want) ||
				e.Hint == "" || strings.Contains(err.Error(), "secret-bytes") {
				t.Errorf("got %v", err)
			}
			if strings.HasPrefix(tt.name, "no ") && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the cause is lost in %v", err)
			}
		})
	}
}

func passwordFor(host, password string) []login.Login {
	return []login.Login{login.Token{Username: "AWS", Secret: login.NewSecret(password)}.For(host)}
}
