package emulator

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const maxAPIBody = 1 << 20 // bytes

// apiError is an error in the words of AWS.
type apiError struct {
	Status        int
	Code, Message string
}

// apiCall is an authenticated call of an API.
type apiCall struct {
	who    *principal
	region string
	now    time.Time
	form   url.Values // of the Query protocol
	fault  Fault
}

// action is one operation of an API. Needs are the IAM actions that must not be
// denied.
type action struct {
	needs []string
	serve func(*Server, apiCall) (any, *apiError)
}

// actions is a function because the table must not be changed.
func actions() map[string]action {
	return map[string]action{
		"ecr:GetAuthorizationToken": {[]string{"ecr:GetAuthorizationToken"}, (*Server).getAuthorizationToken},
		"ecr-public:GetAuthorizationToken": {
			[]string{"ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"}, (*Server).getPublicAuthorizationToken,
		},
		"sts:AssumeRole":        {[]string{"sts:AssumeRole"}, (*Server).assumeRole},
		"sts:GetCallerIdentity": {nil, (*Server).getCallerIdentity}, // cannot be denied, as in AWS
	}
}

// awsHandler serves the AWS APIs, and the control API beside them.
func (s *Server) awsHandler() http.Handler {
	table := actions()
	mux := http.NewServeMux()
	s.control(mux)
	// The service is known once the request has been looked at.
	mux.Handle("/", s.handler("", func(x *exchange) { s.serveAWS(x, table) }))
	return mux
}

func (s *Server) serveAWS(x *exchange, table map[string]action) {
	body, err := io.ReadAll(http.MaxBytesReader(x, x.req.Body, maxAPIBody))
	if tooLarge := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &tooLarge) {
		panic(http.ErrAbortHandler) // the client has gone, or the server goes
	}
	if err != nil {
		x.fail(&apiError{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request is longer than any that is served here."})
		return
	}
	form := x.identify(body)
	fault, answered := s.disturb(x, x.fail)
	if answered {
		return
	}
	now := s.now()
	act, ok := table[x.call.Service+":"+x.call.Operation]
	if !ok {
		x.fail(unknownAction(x.call))
		return
	}
	who, no := s.people.authenticate(x.req, body, x.call.Service, now)
	if no != nil {
		no.Status = http.StatusBadRequest
		if x.call.Service == "sts" {
			no.Status = http.StatusForbidden
		}
		x.fail(no)
		return
	}
	for _, need := range act.needs {
		if !who.may(need) {
			x.fail(accessDenied(x.call.Service, who.arn(x.call.Region), need, "*"))
			return
		}
	}
	answer, no := act.serve(s, apiCall{who: who, region: x.call.Region, now: now, form: form, fault: fault})
	if no != nil {
		x.fail(no)
		return
	}
	x.answer(http.StatusOK, answer)
}

// identify fills in the call and gives the parameters of a Query request.
func (x *exchange) identify(body []byte) url.Values {
	if sig, ok := parseSignature(x.req.Header.Get("Authorization")); ok {
		x.call.Principal, x.call.Region = sig.accessKey, sig.region
	}
	if target := x.req.Header.Get("X-Amz-Target"); target != "" {
		var prefix string
		prefix, x.call.Operation, _ = strings.Cut(target, ".")
		switch prefix {
		case ecrTarget:
			x.call.Service = "ecr"
		case ecrPublicTarget:
			x.call.Service = "ecr-public"
		}
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		form = url.Values{}
	}
	x.call.Service, x.call.Operation = "sts", form.Get("Action")
	return form
}

// answer writes v in the protocol of the service.
func (x *exchange) answer(status int, v any) {
	if x.call.Service == "sts" {
		x.writeXML(status, v)
		return
	}
	x.Header().Set("Content-Type", "application/x-amz-json-1.1")
	x.Header().Set("X-Amzn-Requestid", rand.Text())
	x.WriteHeader(status)
	_ = json.NewEncoder(x).Encode(v) // a client that has gone misses nothing
}

// fail writes e in the protocol of the service.
func (x *exchange) fail(e *apiError) {
	x.call.Code = e.Code
	if x.call.Service == "sts" {
		x.answer(e.Status, newErrorResponse(e))
		return
	}
	x.Header().Set("X-Amzn-ErrorType", e.Code)
	x.answer(e.Status, map[string]string{"__type": e.Code, "message": e.Message})
}

func unknownAction(c Call) *apiError {
	if c.Service == "sts" {
		return &apiError{http.StatusBadRequest, "InvalidAction", fmt.Sprintf("Could not find operation %q.", c.Operation)}
	}
	return &apiError{http.StatusBadRequest, "UnknownOperationException", ""}
}

func accessDenied(service, who, action, resource string) *apiError {
	message := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", who, action, resource)
	if service == "sts" {
		return &apiError{http.StatusForbidden, "AccessDenied", message}
	}
	return &apiError{http.StatusBadRequest, "AccessDeniedException", message}
}
