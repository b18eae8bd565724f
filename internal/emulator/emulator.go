// Package emulator is a stand-in for the parts of AWS that an ECR login
// touches: the APIs of ECR, ECR Public and STS, the instance metadata service
// (IMDSv2), and a registry whose tokens really expire. It verifies the
// signature of every request, so a client that signs wrongly fails here as it
// would there, and it produces faults to order.
//
// It serves tests, benchmarks and demonstrations. Everything is kept in memory
// and gone after Close. IAM policies, repository permissions and every API that
// a login does not need are not emulated.
package emulator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	loopback             = "127.0.0.1:0"
	defaultTokenLife     = 12 * time.Hour // what ECR documents
	defaultInstanceIn    = "us-east-1"
	readHeaderTimeout    = 10 * time.Second
	registryOperation    = "registry"
	registryTokenRequest = "registry-token"
	imdsOperation        = "imds"
)

// Options says what the emulated AWS looks like. The zero value is useful.
type Options struct {
	TokenLife      time.Duration    // of an authorization token; default 12h
	TokenBytes     int              // its password has at least as many; an EC2 role's has 6 kB
	Addr           string           // AWS API; default 127.0.0.1:0
	RegistryAddr   string           // default 127.0.0.1:0
	IMDSAddr       string           // default 127.0.0.1:0
	Hosts          []string         // further registry names: "NAME", which takes every good private token, "NAME=ECRHOST", an alias, or "NAME=*", a foreign one, which is open to everybody and takes no login
	Principals     []Principal      // default: DefaultPrincipal()
	Roles          []Role           // may be assumed through STS
	InstanceRole   string           // ARN; served by IMDS when set
	InstanceRegion string           // of the emulated instance; default us-east-1
	Now            func() time.Time // default time.Now; called concurrently
	// OnCall hears of every call just before its answer leaves. It is called
	// concurrently and holds up the answer. Default: nobody listens.
	OnCall func(Call)
}

// Principal is a user with a permanent access key.
type Principal struct {
	AccessKeyID, SecretAccessKey string
	Account                      string   // 12 digits
	Opens                        []string // accounts whose registries its tokens open besides its own
	Denied                       []string // actions answered AccessDenied, such as "ecr:GetAuthorizationToken"
}

// Role can be assumed through STS, or is the role of the instance.
type Role struct {
	ARN                string
	ExternalID         string   // demanded when set
	MFASerial, MFACode string   // demanded when MFASerial is set; an empty MFACode takes any code
	TrustedBy          []string // access keys or role ARNs; empty: anyone
	Opens, Denied      []string // as in Principal
	// SessionLife is how long a session really lives, whatever duration was
	// asked for. Zero: as asked for, and an hour on the instance.
	SessionLife time.Duration
}

// DefaultPrincipal belongs to the account 111122223333 and also opens the
// registry of 444455556666.
func DefaultPrincipal() Principal {
	return Principal{
		AccessKeyID:     "AKIAEMULATEDDEFAULT1",
		SecretAccessKey: "emulated-secret-key-that-opens-nothing-1",
		Account:         "111122223333",
		Opens:           []string{"444455556666"},
	}
}

// Server is a running emulator. Its methods may be called concurrently.
type Server struct {
	now       func() time.Time
	onCall    func(Call)
	tokenLife atomic.Int64 // a time.Duration
	people    *people
	tokens    *tokenDesk
	bearers   bearerDesk
	sites     *sites
	authority *authority
	instance  *instance
	faults    faults
	history   history

	endpoint, imdsEndpoint, registryAddr string

	closing  context.Context // ends the waits of handlers
	stop     context.CancelFunc
	servers  []*http.Server
	serving  sync.WaitGroup
	mu       sync.Mutex // guards closed, and handlers.Add against handlers.Wait
	closed   bool
	handlers sync.WaitGroup
}

// Start listens on the addresses of o, loopback by default, and serves until
// Close.
func Start(o Options) (*Server, error) {
	s, err := build(o)
	if err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	registryTLS := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate}
	for _, l := range []struct {
		addr   string
		serve  http.Handler
		config *tls.Config
		bound  *string
	}{
		{o.Addr, s.awsHandler(), nil, &s.endpoint},
		{o.IMDSAddr, s.handler("imds", s.serveIMDS), nil, &s.imdsEndpoint},
		{o.RegistryAddr, s.handler("registry", s.serveRegistry), registryTLS, &s.registryAddr},
	} {
		if *l.bound, err = s.listen(l.addr, l.serve, l.config); err != nil {
			s.Close()
			return nil, fmt.Errorf("start the emulator: %w", err)
		}
	}
	s.endpoint = "http://" + s.endpoint
	s.imdsEndpoint = "http://" + s.imdsEndpoint
	return s, nil
}

// build makes a Server that does not listen yet.
func build(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenLife == 0 {
		o.TokenLife = defaultTokenLife
	}
	if o.InstanceRegion == "" {
		o.InstanceRegion = defaultInstanceIn
	}
	if len(o.Principals) == 0 {
		o.Principals = []Principal{DefaultPrincipal()}
	}
	s := &Server{now: o.Now, onCall: o.OnCall, tokens: newTokenDesk(o.TokenBytes), bearers: newBearerDesk()}
	s.tokenLife.Store(int64(o.TokenLife))
	s.closing, s.stop = context.WithCancel(context.Background())
	var errs [4]error
	s.people, errs[0] = newPeople(o.Principals, o.Roles)
	s.instance, errs[1] = newInstance(o.InstanceRole, o.InstanceRegion, o.Roles)
	s.sites, errs[2] = newSites(o.Hosts)
	s.authority, errs[3] = newAuthority(o.Hosts)
	return s, errors.Join(errs[:]...)
}

func (s *Server) listen(addr string, h http.Handler, config *tls.Config) (string, error) {
	if addr == "" {
		addr = loopback
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler:           s.gate(h),
		TLSConfig:         config,
		ReadHeaderTimeout: readHeaderTimeout,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that hang up are the point of this server
		BaseContext:       func(net.Listener) context.Context { return s.closing },
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		// Both end with http.ErrServerClosed after Close, and with nothing else
		// that anybody could act on.
		if config == nil {
			_ = srv.Serve(l)
		} else {
			_ = srv.ServeTLS(l, "", "")
		}
	})
	return l.Addr().String(), nil
}

// Close stops the listeners, cuts the connections and waits for the handlers.
// It may be called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	for _, srv := range s.servers {
		_ = srv.Close()
	}
	s.serving.Wait()
	s.handlers.Wait()
}

// gate lets Close wait for the handlers of h.
func (s *Server) gate(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.enter() {
			panic(http.ErrAbortHandler) // how net/http is told to cut the connection
		}
		defer s.handlers.Done()
		h.ServeHTTP(w, r)
	})
}

// enter reports whether a request may still be handled; if so, handlers.Done
// is due.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.handlers.Add(1)
	}
	return !s.closed
}

// Endpoint is the URL of the APIs of ECR, ECR Public and STS, which are told
// apart by X-Amz-Target, Action and the credential scope.
func (s *Server) Endpoint() string { return s.endpoint }

// IMDSEndpoint is the URL of the instance metadata service.
func (s *Server) IMDSEndpoint() string { return s.imdsEndpoint }

// RegistryAddr is the "host:port" of the TLS listener of the registries.
func (s *Server) RegistryAddr() string { return s.registryAddr }

// CA is the certificate authority, in PEM, that signed the registries'
// certificates.
func (s *Server) CA() []byte { return s.authority.pem }

// SetTokenLife sets the life of the authorization tokens issued from now on.
func (s *Server) SetTokenLife(d time.Duration) { s.tokenLife.Store(int64(d)) }

// Check says whether the registry at host would accept this login now, and if
// not, why. The error never holds the password.
func (s *Server) Check(host, username, password string) error {
	site := s.sites.find(host)
	if site == nil {
		return fmt.Errorf("log in to %q: no such registry", host)
	}
	if no := s.tokens.judge(site, username, password, s.now()); no != nil {
		return fmt.Errorf("log in to %q: %w", host, no)
	}
	return nil
}
