package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	dockercli "github.com/docker/cli/cli/config"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"ecr-refreshd/internal/emulator"
)

const imageBytes = 64 << 10

// withoutStage pulls by itself: no engine, no root, nothing but this process,
// the daemon and a temporary directory.
type withoutStage struct {
	dir       string
	server    *emulator.Server
	transport *http.Transport
}

// openWithout opens the stage.
func openWithout(_ context.Context, set settings) (stage, error) {
	dir, err := os.MkdirTemp("", "ecr-demo-")
	if err != nil {
		return nil, err
	}
	who := emulator.DefaultPrincipal()
	credentials := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", who.AccessKeyID, who.SecretAccessKey)
	s := &withoutStage{dir: dir}
	if err := os.WriteFile(s.credentials(), []byte(credentials), 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if s.server, err = emulator.Start(emulator.Options{TokenLife: set.life}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(s.server.CA())
	s.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authorities},
		// Every ECR host name leads to the emulator.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.server.RegistryAddr())
		},
	}
	return s, nil
}

func (s *withoutStage) aws() *emulator.Server { return s.server }
func (s *withoutStage) engine() string        { return "" }
func (s *withoutStage) puller() string        { return "the registry" }
func (s *withoutStage) credentials() string   { return filepath.Join(s.dir, "credentials") }

func (s *withoutStage) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "LANG=C.UTF-8", "RUNTIME_DIRECTORY=" + s.dir, "STATE_DIRECTORY=" + s.dir,
		"AWS_SHARED_CREDENTIALS_FILE=" + s.credentials(), "AWS_CONFIG_FILE=" + filepath.Join(s.dir, "aws-config"),
		"AWS_EC2_METADATA_DISABLED=true",
	}
	return cmd
}

func (s *withoutStage) push(ctx context.Context, reference, logins string) error {
	ref, options, err := s.open(ctx, reference, logins)
	if err != nil {
		return err
	}
	image, err := random.Image(imageBytes, 1)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, options...)
}

func (s *withoutStage) pull(ctx context.Context, reference, logins string) (time.Duration, error) {
	started := time.Now()
	err := s.fetch(ctx, reference, logins)
	return time.Since(started), err
}

// fetch reads an image to its end.
func (s *withoutStage) fetch(ctx context.Context, reference, logins string) error {
	ref, options, err := s.open(ctx, reference, logins)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, options...)
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		content, err := l.Compressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, content) // checks the digest
		if err := errors.Join(err, content.Close()); err != nil {
			return err
		}
	}
	return nil
}

// open finds the login for a reference as docker does, with docker's own code.
func (s *withoutStage) open(ctx context.Context, reference, logins string) (name.Reference, []remote.Option, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, nil, err
	}
	file, err := dockercli.Load(logins)
	if err != nil {
		return nil, nil, err
	}
	login, err := file.GetAuthConfig(ref.Context().RegistryStr())
	if err != nil {
		return nil, nil, err
	}
	if login.Password == "" {
		return nil, nil, fmt.Errorf("%q holds no login for %q", file.Filename, ref.Context().RegistryStr())
	}
	return ref, []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(s.transport),
		remote.WithAuth(&authn.Basic{Username: login.Username, Password: login.Password}),
	}, nil
}

func (s *withoutStage) close() {
	s.transport.CloseIdleConnections()
	s.server.Close()
	_ = os.RemoveAll(s.dir) // the daemon has ended; nobody else knows of it
}
