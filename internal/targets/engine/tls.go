package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// tlsFiles says with what to secure a TCP connection to the engine. Empty names
// are not used.
type tlsFiles struct {
	on            bool
	ca, cert, key string
	skipVerify    bool   // a context may say so; nothing else can
	setting       string // what names the files; empty for the keys of the target's own tls block
	rootOnly      bool   // refuse files that others than root could change
}

func (o Options) tls() tlsFiles {
	return tlsFiles{on: o.CA != "" || o.Cert != "" || o.Key != "", ca: o.CA, cert: o.Cert, key: o.Key}
}

// ifThere is path, or nothing when there is no such file.
func ifThere(path string) string {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// config reads the files; it is nil when TLS is off.
func (f tlsFiles) config() (*tls.Config, error) {
	if !f.on {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.skipVerify}
	if f.ca != "" {
		pem, err := f.read("ca", f.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%q holds no PEM certificate", f.ca)
		}
	}
	if f.cert == "" && f.key == "" {
		return config, nil
	}
	if f.cert == "" || f.key == "" {
		return nil, fmt.Errorf("certificate %q and key %q come together: one is missing", f.cert, f.key)
	}
	cert, err := f.read("cert", f.cert)
	if err != nil {
		return nil, err
	}
	key, err := f.read("key", f.key)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %q with key %q: %w", f.cert, f.key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func (f tlsFiles) read(key, path string) ([]byte, error) {
	setting := f.setting
	if setting == "" {
		setting = "tls." + key
	}
	return readFile(setting, path, fileLimit, f.rootOnly)
}
