package ecr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/middleware"
)

// Instance is what the metadata service says of the EC2 instance that this host is.
// Nothing of it is checked.
type Instance struct {
	Account, Region string
	Role            string // empty where none is attached
}

// instanceWait bounds all questions together: where the service is out of reach, as
// in a container behind one hop too many, nothing answers at all.
const instanceWait = 2 * time.Second

// LookUpInstance asks the instance metadata service, version 2, who this host is. It
// takes 2 seconds at most and follows no redirect. An empty endpoint means the
// usual one.
func LookUpInstance(ctx context.Context, endpoint string) (Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, instanceWait)
	defer cancel()
	_, direct := newTransports(func(t *http.Transport) { t.Proxy = nil })
	defer direct.CloseIdleConnections()
	w := &wire{web: direct, metadata: direct}
	client := imds.New(imds.Options{
		Endpoint:   endpoint,
		Retryer:    aws.NopRetryer{},
		HTTPClient: sealed,
		APIOptions: []func(*middleware.Stack) error{w.install},
		// Version 1 would say the same to whoever gets a program here to send a request.
		EnableFallback: aws.FalseTernary,
	})
	var i Instance
	document, err := client.GetInstanceIdentityDocument(ctx, nil)
	if err != nil {
		return i, unanswered(ctx, err)
	}
	i.Account, i.Region = document.AccountID, document.Region
	roles, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: "iam/security-credentials/"})
	if httpStatus(err) == http.StatusNotFound {
		return i, nil
	}
	if err != nil {
		return i, unanswered(ctx, err)
	}
	defer roles.Content.Close() // nothing was written
	text, err := io.ReadAll(roles.Content)
	if err != nil {
		return i, unanswered(ctx, err)
	}
	i.Role, _, _ = strings.Cut(string(text), "\n")
	return i, nil
}

// unanswered says why there is no answer, in our own words: the service's could echo
// the token of the session with it.
func unanswered(ctx context.Context, err error) error {
	switch status := httpStatus(err); {
	case ctx.Err() != nil:
		return fmt.Errorf("the instance metadata service does not answer within %s: %w", instanceWait, ctx.Err())
	case status != 0 && status != http.StatusOK:
		return fmt.Errorf("the instance metadata service answers with status %d", status)
	case errors.As(err, new(*sendError)):
		return fmt.Errorf("the instance metadata service does not answer: %s", transport(err))
	}
	return errors.New("the instance metadata service answers something else than version 2 does")
}
