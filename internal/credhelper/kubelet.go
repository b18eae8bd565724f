package credhelper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// What the kubelet and a credential provider plugin say to each other, by the types of
// k8s.io/kubelet/pkg/apis/credentialprovider/v1.
const (
	kubeletAPI      = "credentialprovider.kubelet.k8s.io/v1"
	kubeletRequest  = "CredentialProviderRequest"
	kubeletResponse = "CredentialProviderResponse"

	// kubeletLimit bounds a request, in bytes: it may hold a service account's token.
	kubeletLimit = 1 << 20
)

type (
	kubeletAnswer struct {
		Kind          string                  `json:"kind"`
		APIVersion    string                  `json:"apiVersion"`
		CacheKeyType  string                  `json:"cacheKeyType"`
		CacheDuration string                  `json:"cacheDuration"`
		Auth          map[string]kubeletLogin `json:"auth,omitempty"`
	}
	kubeletLogin struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
)

// kubelet answers the kubelet's request for an image's login. An image of another registry
// gets an answer without one, which the kubelet does not keep; an error is for the
// kubelet's journal, and makes it pull without a login from here.
func (h *Helper) kubelet(in io.Reader) ([]byte, error) {
	input, err := read(in, kubeletLimit)
	if err != nil {
		return nil, err
	}
	image, err := imageOf(input)
	if err != nil {
		return nil, err
	}
	response := kubeletAnswer{Kind: kubeletResponse, APIVersion: kubeletAPI, CacheKeyType: "Registry", CacheDuration: "0s"}
	name, _, _ := strings.Cut(image, "/")
	host, err := hostOf(name)
	if err != nil && err != errNotFound {
		return nil, err
	}
	var a answer
	if err == nil {
		a, err = h.ask(host)
	}
	if err == nil {
		var login struct{ Username, Secret string }
		if err := json.Unmarshal(a.body, &login); err != nil || login.Secret == "" {
			return nil, errors.New(`ecr-refreshd: the daemon's answer makes no sense: it is not JSON with "Username" and "Secret"`)
		}
		response.Auth = map[string]kubeletLogin{host: {login.Username, login.Secret}}
		response.CacheDuration = cacheFor(time.Until(a.expires)).String()
	} else if err != errNotFound {
		return nil, err
	}
	text, err := json.Marshal(response)
	return append(text, '\n'), err
}

// cacheFor is how long the kubelet may keep a login whose token lives so long still: not
// to its end, because a pull goes on for a while with what it began with.
func cacheFor(rest time.Duration) time.Duration {
	return max(0, rest-rest/10).Truncate(time.Second)
}

// imageOf reads the image that a request is for. Nothing else of it is repeated in an error:
// it may hold a service account's token.
func imageOf(input []byte) (string, error) {
	var request struct{ Kind, APIVersion, Image string }
	switch err := json.Unmarshal(input, &request); {
	case err != nil || request.Kind != kubeletRequest:
		return "", errors.New("ecr-refreshd: standard input is no " + kubeletRequest + " of a kubelet")
	case request.APIVersion != kubeletAPI:
		return "", fmt.Errorf("ecr-refreshd: the kubelet speaks %.60q, and not %s; write apiVersion: %[2]s at this provider in the kubelet's CredentialProviderConfig",
			request.APIVersion, kubeletAPI)
	case request.Image == "":
		return "", errors.New("ecr-refreshd: the kubelet's request names no image")
	}
	return request.Image, nil
}
