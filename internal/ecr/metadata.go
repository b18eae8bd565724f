package ecr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/middleware"
)

// watchMetadata notes the end of the credentials that the instance metadata
// service hands out. The SDK's provider cuts it to an hour from now, which
// would make a token due every hour on every instance.
func watchMetadata(end *time.Time) func(*middleware.Stack) error {
	watch := middleware.InitializeMiddlewareFunc("WatchMetadata", func(ctx context.Context, in middleware.InitializeInput,
		next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleInitialize(ctx, in)
		result, ok := out.Result.(*imds.GetMetadataOutput)
		if err != nil || !ok {
			return out, meta, err
		}
		body, err := io.ReadAll(result.Content)
		err = errors.Join(err, result.Content.Close())
		result.Content = io.NopCloser(bytes.NewReader(body))
		var got struct{ Expiration time.Time }
		if json.Unmarshal(body, &got) == nil { // the list of roles is not JSON
			*end = got.Expiration
		}
		return out, meta, err
	})
	return func(stack *middleware.Stack) error { return stack.Initialize.Add(watch, middleware.Before) }
}
