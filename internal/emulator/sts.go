package emulator

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultSessionLife = time.Hour
	maxChainedLife     = time.Hour // of a session started by another session
	minSessionSeconds  = 900
	maxSessionSeconds  = 43200

	sessionNameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"
)

type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

type stsCredentials struct {
	AccessKeyID     string    `xml:"AccessKeyId"`
	SecretAccessKey string    `xml:"SecretAccessKey"`
	SessionToken    string    `xml:"SessionToken"`
	Expiration      time.Time `xml:"Expiration"`
}

type assumeRoleResponse struct {
	XMLName     xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Arn         string           `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	RoleID      string           `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	Credentials stsCredentials   `xml:"AssumeRoleResult>Credentials"`
	Metadata    responseMetadata `xml:"ResponseMetadata"`
}

type callerIdentityResponse struct {
	XMLName  xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Arn      string           `xml:"GetCallerIdentityResult>Arn"`
	UserID   string           `xml:"GetCallerIdentityResult>UserId"`
	Account  string           `xml:"GetCallerIdentityResult>Account"`
	Metadata responseMetadata `xml:"ResponseMetadata"`
}

type errorResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func newErrorResponse(e *apiError) errorResponse {
	blame := "Sender"
	if e.Status >= http.StatusInternalServerError {
		blame = "Receiver"
	}
	return errorResponse{Type: blame, Code: e.Code, Message: e.Message, RequestID: rand.Text()}
}

func (x *exchange) writeXML(status int, v any) {
	x.Header().Set("Content-Type", "text/xml")
	x.WriteHeader(status)
	_ = xml.NewEncoder(x).Encode(v) // a client that has gone misses nothing
}

func (s *Server) getCallerIdentity(c apiCall) (any, *apiError) {
	return callerIdentityResponse{
		Arn: c.who.arn(c.region), UserID: c.who.accessKey, Account: c.who.account,
		Metadata: responseMetadata{rand.Text()},
	}, nil
}

func (s *Server) assumeRole(c apiCall) (any, *apiError) {
	life, no := sessionLife(c)
	if no != nil {
		return nil, no
	}
	role, no := s.mayAssume(c)
	if no != nil {
		return nil, no
	}
	session, err := s.people.open(role, c.form.Get("RoleSessionName"), life, c.now)
	if err != nil {
		return nil, invalid(err.Error())
	}
	return assumeRoleResponse{
		Arn:    session.arn(c.region),
		RoleID: "AROA" + rand.Text()[:16] + ":" + session.sessionName,
		Credentials: stsCredentials{
			AccessKeyID: session.accessKey, SecretAccessKey: session.secret,
			SessionToken: session.sessionToken, Expiration: session.ends.UTC(),
		},
		Metadata: responseMetadata{rand.Text()},
	}, nil
}

// sessionLife checks the parameters that are wrong whatever the role.
func sessionLife(c apiCall) (time.Duration, *apiError) {
	if name := c.form.Get("RoleSessionName"); !isSessionName(name) {
		return 0, invalid(fmt.Sprintf("Value %q at 'roleSessionName' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}", name))
	}
	asked := c.form.Get("DurationSeconds")
	if asked == "" {
		return defaultSessionLife, nil
	}
	seconds, err := strconv.Atoi(asked)
	if err != nil || seconds < minSessionSeconds || seconds > maxSessionSeconds {
		return 0, invalid(fmt.Sprintf("Value %q at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value between %d and %d", asked, minSessionSeconds, maxSessionSeconds))
	}
	life := time.Duration(seconds) * time.Second
	if c.who.role != "" && life > maxChainedLife {
		return 0, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	return life, nil
}

// mayAssume checks what the role demands. A role that does not exist and one
// that does not trust the caller answer alike, as in AWS.
func (s *Server) mayAssume(c apiCall) (Role, *apiError) {
	arn := c.form.Get("RoleArn")
	role, ok := s.people.roles[arn]
	denied := accessDenied("sts", c.who.arn(c.region), "sts:AssumeRole", arn)
	if !ok || !role.trusts(c.who) || role.ExternalID != "" && c.form.Get("ExternalId") != role.ExternalID {
		return Role{}, denied
	}
	if role.MFASerial == "" {
		return role, nil
	}
	code := c.form.Get("TokenCode")
	if c.form.Get("SerialNumber") != role.MFASerial || code == "" {
		return Role{}, denied
	}
	if role.MFACode != "" && code != role.MFACode {
		denied.Message = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
		return Role{}, denied
	}
	return role, nil
}

func isSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune(sessionNameCharacters, r)
	})
}

func invalid(message string) *apiError {
	return &apiError{http.StatusBadRequest, "ValidationError", "1 validation error detected: " + message}
}
