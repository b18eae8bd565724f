package emulator

import (
	"encoding/base64"
	"net/http"
	"time"

	"ecr-refreshd/internal/registry"
)

// The X-Amz-Target prefixes of the two services.
const (
	ecrTarget       = "AmazonEC2ContainerRegistry_V20150921"
	ecrPublicTarget = "SpencerFrontendService"
)

// publicRegion is the only region in which ECR Public gives tokens.
const publicRegion = "us-east-1"

type authorizationData struct {
	AuthorizationToken string  `json:"authorizationToken"`
	ExpiresAt          float64 `json:"expiresAt"` // seconds since 1970
	ProxyEndpoint      string  `json:"proxyEndpoint,omitempty"`
}

func (s *Server) getAuthorizationToken(c apiCall) (any, *apiError) {
	data := s.issue(c, token{region: c.region, accounts: append([]string{c.who.account}, c.who.opens...)})
	data.ProxyEndpoint = "https://" + registry.Registry{Account: c.who.account, Region: c.region}.Host()
	return map[string]any{"authorizationData": []authorizationData{data}}, nil
}

func (s *Server) getPublicAuthorizationToken(c apiCall) (any, *apiError) {
	if c.region != publicRegion {
		// There is no such endpoint elsewhere; this is what the one that there is
		// says to a request signed for another region.
		no := badRegion(c.region)
		no.Status = http.StatusBadRequest
		return nil, no
	}
	return map[string]any{"authorizationData": s.issue(c, token{public: true})}, nil
}

// issue makes t a token that lives from now on, and reports its end as the
// fault of the call, if any, wants it.
func (s *Server) issue(c apiCall, t token) authorizationData {
	t.ends = c.now.Add(time.Duration(s.tokenLife.Load()))
	password := s.tokens.issue(t, c.now)
	reported := t.ends
	if c.fault.ExpiresIn != nil {
		reported = c.now.Add(*c.fault.ExpiresIn)
	}
	return authorizationData{
		AuthorizationToken: base64.StdEncoding.EncodeToString([]byte(tokenUser + ":" + password)),
		ExpiresAt:          float64(reported.UnixMilli()) / 1000,
	}
}
