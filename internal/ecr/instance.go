package ecr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Instance is what the metadata service says of the EC2 instance that this host is.
// Nothing of it is checked.
type Instance struct {
	Account, Region string
	Role            string // empty where none is attached
}

const (
	// instanceWait bounds all questions together: where the service is out of reach,
	// as in a container behind one hop too many, nothing answers at all.
	instanceWait = 2 * time.Second
	// instanceAnswer bounds one answer, in bytes.
	instanceAnswer = 64 << 10
)

// LookUpInstance asks the instance metadata service, version 2, who this host is. It
// takes 2 seconds at most and follows no redirect. An empty endpoint means the
// usual one.
func LookUpInstance(ctx context.Context, endpoint string) (Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, instanceWait)
	defer cancel()
	transport := &http.Transport{} // without a proxy
	defer transport.CloseIdleConnections()
	client := imds.New(imds.Options{
		Endpoint:   endpoint,
		Retryer:    aws.NopRetryer{},
		HTTPClient: instanceClient{transport},
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
	if answer := (*smithyhttp.ResponseError)(nil); errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
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
	var answer *smithyhttp.ResponseError
	var connection *net.OpError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the instance metadata service does not answer within %s: %w", instanceWait, ctx.Err())
	case errors.As(err, &answer) && answer.HTTPStatusCode() != http.StatusOK:
		return fmt.Errorf("the instance metadata service answers with status %d", answer.HTTPStatusCode())
	case errors.As(err, &connection) && connection.Op == "dial":
		return fmt.Errorf("connect to the instance metadata service: %w", connection)
	}
	return errors.New("the instance metadata service answers something else than version 2 does")
}

// instanceClient sends one request for one request, and ends an answer that is too
// long.
type instanceClient struct{ *http.Transport }

func (c instanceClient) Do(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, instanceAnswer)
	}
	return answer, err
}
