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
	image, err := newImage()
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

// newImage makes an image of one layer with one file of random bytes.
func newImage() (v1.Image, error) {
	content := make([]byte, imageBytes)
	_, _ = rand.Read(content) // does not fail
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "content", Mode: 0o644, Size: imageBytes}); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
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
	return mutate.AppendLayers(empty.Image, layer)
}
