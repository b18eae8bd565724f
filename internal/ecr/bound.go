package ecr

import (
	"context"
	"net/http"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answerLimit bounds an answer, in bytes; a token's has some 4,000.
const answerLimit = 1 << 20

// boundAnswer ends an answer that is too long with an *http.MaxBytesError. It is
// a middleware because the SDK takes no http.RoundTripper of ours: it adapts the
// client for its own credential providers, and only one of its own type.
func boundAnswer(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("BoundAnswer", func(ctx context.Context, in middleware.DeserializeInput,
		next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleDeserialize(ctx, in)
		if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r.Body != nil {
			r.Body = http.MaxBytesReader(nil, r.Body, answerLimit)
		}
		return out, meta, err
	}), middleware.After) // next to the wire
}
