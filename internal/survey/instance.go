package survey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"ecr-refreshd/internal/registry"
)

// Instance is the EC2 instance that this host is.
type Instance struct {
	Account, Region string
	Role            string // empty for none
	Err             error  // what kept the rest from being known
}

const (
	metadataAddress = "http://169.254.169.254"
	// metadataWait bounds all questions together: where the service is not in reach,
	// as in a container behind one hop too many, nothing answers at all.
	metadataWait = 2 * time.Second
	maxAnswer    = 64 << 10 // bytes
)

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// askInstance asks the metadata service, version 2, who this host is.
func askInstance(ctx context.Context, endpoint string) *Instance {
	ctx, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	if endpoint == "" {
		endpoint = metadataAddress
	}
	// No proxy may stand in between, and the service never redirects.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	m := metadata{endpoint: strings.TrimSuffix(endpoint, "/"), client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	i := &Instance{}
	i.Err = m.fill(ctx, i)
	return i
}

// metadata is a session with the service.
type metadata struct {
	client          *http.Client
	endpoint, token string
}

var errNotThere = errors.New("not there")

func (m *metadata) fill(ctx context.Context, i *Instance) (err error) {
	if m.token, err = m.ask(ctx, http.MethodPut, "/latest/api/token"); err != nil {
		return err
	}
	text, err := m.ask(ctx, http.MethodGet, "/latest/dynamic/instance-identity/document")
	if err != nil {
		return err
	}
	var document struct{ AccountID, Region string }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return fmt.Errorf("read the identity of the instance: %w", err)
	}
	i.Account = firstValid(registry.ValidAccount, document.AccountID)
	i.Region = firstValid(registry.ValidRegion, document.Region)
	text, err = m.ask(ctx, http.MethodGet, "/latest/meta-data/iam/security-credentials/")
	if errors.Is(err, errNotThere) {
		return nil
	}
	name, _, _ := strings.Cut(text, "\n")
	i.Role = firstValid(roleName.MatchString, strings.TrimSpace(name))
	return err
}

func (m *metadata) ask(ctx context.Context, method, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, m.endpoint+path, nil)
	if err != nil {
		return "", fmt.Errorf("ask the instance metadata service: %w", err)
	}
	if method == http.MethodPut {
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
	} else {
		req.Header.Set("X-aws-ec2-metadata-token", m.token)
	}
	answer, err := m.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask the instance metadata service: %w", err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return "", errNotThere
	default:
		return "", fmt.Errorf("the instance metadata service answers %q with %s", path, answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("ask the instance metadata service: %w", err)
	}
	return string(body), nil
}
