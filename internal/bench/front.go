package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// headerWithin bounds how long a client of the front may take to ask.
const headerWithin = 10 * time.Second

// front serves an emulated AWS, which speaks plain HTTP, under the name and with
// the TLS of the real one.
type front struct {
	addr   string // host:port
	pem    []byte // the certificate, which is its own authority
	server *http.Server
	served chan struct{} // closed when the server has ended
}

// openFront serves endpoint as https://name, until close.
func openFront(name, endpoint string) (*front, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	certificate, err := selfSigned(name)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	quiet := log.New(io.Discard, "", 0)
	f := &front{
		addr:   l.Addr().String(),
		pem:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}),
		served: make(chan struct{}),
		server: &http.Server{
			ErrorLog: quiet, ReadHeaderTimeout: headerWithin,
			TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}},
			Handler: &httputil.ReverseProxy{ErrorLog: quiet, Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host // it is part of what the client has signed
			}},
		},
	}
	go func() {
		defer close(f.served)
		_ = f.server.ServeTLS(l, "", "") // it ends with close
	}()
	return f, nil
}

func (f *front) close() {
	_ = f.server.Close() // it is the listener's error, and that one is gone
	<-f.served
}

// selfSigned makes a certificate for name that clients can be told to trust.
func selfSigned(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
