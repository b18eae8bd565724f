package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/middleware"
)

// noKeys is an answer that came well, without what it is for.
const noKeys = answerError("the answer holds no credentials")

// checkAnswers refuses credentials that are not whole before one of the SDK's
// providers uses them: a field that is missing would end the process from a goroutine
// of the SDK's, or be written into a cache. It also sets end to the end of the
// credentials that the instance metadata service hands out. The SDK's provider cuts
// it to an hour from now, which would make a token due every hour on every instance.
func checkAnswers(end *time.Time) func(*middleware.Stack) error {
	check := middleware.InitializeMiddlewareFunc("CheckAnswer", func(ctx context.Context, in middleware.InitializeInput,
		next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleInitialize(ctx, in)
		if err != nil {
			return out, meta, err
		}
		result := reflect.ValueOf(out.Result)
		whole := result.Kind() != reflect.Pointer || !result.IsNil() // as that of a container's credentials may be
		switch result := out.Result.(type) {
		case *sts.AssumeRoleOutput:
			whole = wholeSession(result.Credentials)
		case *sts.AssumeRoleWithWebIdentityOutput:
			whole = wholeSession(result.Credentials)
		case *sts.GetSessionTokenOutput:
			whole = wholeSession(result.Credentials)
		case *sso.GetRoleCredentialsOutput:
			c := result.RoleCredentials
			whole = c != nil && filled(c.AccessKeyId, c.SecretAccessKey, c.SessionToken) && c.Expiration > 0
		case *ssooidc.CreateTokenOutput:
			whole = filled(result.AccessToken)
		case *imds.GetMetadataOutput:
			whole, err = wholeMetadata(in.Parameters, result, end)
		}
		if !whole && err == nil {
			err = noKeys
		}
		return out, meta, err
	})
	return func(stack *middleware.Stack) error { return stack.Initialize.Add(check, middleware.Before) }
}

func wholeSession(c *ststypes.Credentials) bool {
	return c != nil && filled(c.AccessKeyId, c.SecretAccessKey, c.SessionToken) && c.Expiration != nil
}

func filled(fields ...*string) bool {
	for _, f := range fields {
		if aws.ToString(f) == "" {
			return false
		}
	}
	return true
}

// wholeMetadata looks at the list of roles, or at the credentials of one. A list that
// is no list would become part of the next request's URL.
func wholeMetadata(parameters any, out *imds.GetMetadataOutput, end *time.Time) (bool, error) {
	body, err := io.ReadAll(out.Content)
	err = errors.Join(err, out.Content.Close())
	out.Content = io.NopCloser(bytes.NewReader(body))
	if asked, ok := parameters.(*imds.GetMetadataInput); err != nil || !ok || !strings.Contains(asked.Path, "security-credentials") {
		return true, err
	} else if strings.HasSuffix(asked.Path, "/") {
		first, _, _ := strings.Cut(string(body), "\n")
		return roleName.MatchString(strings.TrimSpace(first)), nil
	}
	var c struct {
		Code, AccessKeyID, SecretAccessKey, Token string
		Expiration                                time.Time
	}
	if json.Unmarshal(body, &c) != nil {
		return false, nil
	}
	*end = c.Expiration
	refused := c.Code != "" && c.Code != "Success" // which the SDK's provider reports
	return refused || c.AccessKeyID != "" && c.SecretAccessKey != "" && c.Token != "" && !c.Expiration.IsZero(), nil
}
