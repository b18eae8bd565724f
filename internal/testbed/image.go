package testbed

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/registry"
)

// imageBytes is the size of the one file in an image: a pull of it is quick but
// not over at once.
const imageBytes = 64 << 10

// PushImage puts a new image, which shares no layer with any other, into the
// registry of a host under the reference "HOST/REPOSITORY:TAG". The token of an ECR host
// is asked for with the profile of Options.Profiles; others get no login.
func (b *Bed) PushImage(ctx context.Context, server *emulator.Server, profile, reference string) error {
	return b.push(ctx, server, profile, reference, nil)
}

// PushProgram is PushImage of an image that runs a static program.
func (b *Bed) PushProgram(ctx context.Context, server *emulator.Server, profile, reference, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return b.push(ctx, server, profile, reference, content)
}

func (b *Bed) push(ctx context.Context, server *emulator.Server, profile, reference string, program []byte) error {
	fail := func(err error) error { return fmt.Errorf("push an image as %q: %w", reference, err) }
	ref, err := name.ParseReference(reference)
	if err != nil {
		return fail(err)
	}
	auth := authn.Anonymous
	if place, err := registry.Parse(ref.Context().RegistryStr()); err == nil {
		source := ecr.New(login.Identity{Profile: profile, EndpointURL: server.Endpoint()}, place.Region, place.Public, ecr.Options{})
		token, err := source.Fetch(ctx)
		if err != nil {
			return fail(err)
		}
		auth = &authn.Basic{Username: token.Username, Password: token.Secret.Reveal()}
	}
	image, err := newImage(program)
	if err != nil {
		return fail(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(server.CA())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}
	defer transport.CloseIdleConnections()
	err = remote.Write(ref, image, remote.WithContext(ctx), remote.WithTransport(transport), remote.WithAuth(auth))
	if err != nil {
		return fail(err)
	}
	return nil
}

// newImage makes an image of one layer with one file of random bytes and, if there is one, the
// program that it runs.
func newImage(program []byte) (v1.Image, error) {
	content := make([]byte, imageBytes)
	_, _ = rand.Read(content) // does not fail
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, file := range map[string][]byte{"content": content, "program": program} {
		if file == nil {
			continue
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(file))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(file); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	})
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil || program == nil {
		return image, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file.OS, file.Architecture, file.Config.Entrypoint = runtime.GOOS, runtime.GOARCH, []string{"/program"}
	return mutate.ConfigFile(image, file)
}
