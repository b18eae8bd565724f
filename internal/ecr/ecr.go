// Package ecr is a source of tokens: it asks Amazon ECR or ECR Public for an
// authorization token as an AWS identity, and turns what AWS and its SDK have
// to say into *fault.Error. It is the only package that imports the AWS SDK.
//
// It knows neither when to renew nor how often to try again (renew does), nor
// host names (registry) nor what becomes of a token (target).
package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/renew"
)

const (
	// publicRegion is the one region in which ECR Public's API is called.
	publicRegion   = "us-east-1"
	defaultTimeout = 30 * time.Second
	// defaultSessionName is what AWS shows in CloudTrail for sessions of ours.
	defaultSessionName = "ecr-refreshd"
)

// Options are what a Source does not take from its identity.
type Options struct {
	// Timeout bounds one attempt, credentials and call together; 30 s when zero.
	Timeout time.Duration
	// Clients is shared by the Sources of a process; nil makes one of its own.
	Clients *Clients
}

// Source fetches tokens for one identity in one region, or from ECR Public.
// Safe for concurrent use. Between two fetches it holds its settings and what must not
// be shown of the last one; what AWS gave the identity is kept in Clients.
type Source struct {
	id      login.Identity
	region  string
	public  bool
	timeout time.Duration
	clients *Clients
	session *session
	last    atomic.Pointer[login.Redactor] // knows what the last Fetch sent and got
}

var _ renew.Source = (*Source)(nil)

// New makes a Source for an identity and a region that config has found good. It touches
// no file and no socket. A public Source asks in us-east-1, whatever region says.
func New(id login.Identity, region string, public bool, o Options) *Source {
	if public {
		region = publicRegion
	}
	id.SessionName = cmp.Or(id.SessionName, defaultSessionName)
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Clients == nil {
		o.Clients = NewClients()
	}
	return &Source{id: id, region: region, public: public, timeout: o.Timeout,
		clients: o.Clients, session: o.Clients.sessionOf(id)}
}

// Fetch obtains a new token. The AWS configuration and its files are read each
// time, so a role attached later or a file that appears or changes is found.
// Credentials that AWS calls expired are thrown away and asked for again, once.
// The error is a *fault.Error.
func (s *Source) Fetch(ctx context.Context) (login.Token, error) {
	w := &wire{web: s.clients.web, metadata: s.clients.metadata, unread: make(map[string]error)}
	if last := s.last.Load(); last != nil {
		w.earlier = *last
	}
	defer func() { known := w.end(); s.last.Store(&known) }()
	token, err := s.attempt(ctx, w)
	if expired(err) && ctx.Err() == nil {
		token, err = s.attempt(ctx, w)
	}
	if err != nil {
		return login.Token{}, classify(err, s.situation(w))
	}
	return token, nil
}

// Why an attempt ended before AWS had answered: it took longer than
// Options.Timeout, the caller's context was cancelled, or its deadline passed.
var (
	errTimeout   = errors.New("attempt timed out")
	errCalledOff = errors.New("attempt called off")
	errDeadline  = errors.New("the caller's time is over")
)

// attempt is one round: configuration, credentials, call.
func (s *Source) attempt(parent context.Context, w *wire) (login.Token, error) {
	ctx, cancel := context.WithTimeoutCause(parent, s.timeout, errTimeout)
	defer cancel()
	token, err := s.obtain(ctx, w)
	switch {
	case err == nil:
	case parent.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("%w: %w", errDeadline, err)
	case parent.Err() != nil:
		err = fmt.Errorf("%w: %w: %w", errCalledOff, parent.Err(), err)
	case context.Cause(ctx) == errTimeout:
		err = fmt.Errorf("%w: %w", errTimeout, err)
	}
	return token, err
}

func (s *Source) obtain(ctx context.Context, w *wire) (login.Token, error) {
	w.begin()
	w.learnEnvironment()
	from, err := s.checkFiles(ctx, w)
	w.from = from
	if err != nil {
		return login.Token{}, w.fail(stepCredentials, "", err)
	}
	cfg, end, err := s.load(ctx, w)
	if err != nil {
		return login.Token{}, w.fail(stepCredentials, "", err)
	}
	creds, err := s.session.get(ctx, from.files, func() (aws.Credentials, error) {
		return s.retrieve(ctx, cfg, w, from, end)
	})
	if err != nil {
		return login.Token{}, err
	}
	w.learn(creds.SecretAccessKey, creds.SessionToken)
	w.begin()
	obtained := time.Now()
	answer, err := s.ask(ctx, cfg, creds)
	if err != nil {
		err = w.fail(stepToken, "", err)
		// After a plain no, the person who fixes it may attach another role. An
		// MFA code is not spent on that: the next no would be about the code.
		denied := classify(err, situation{}).Reason == fault.Denied
		if expired(err) || denied && s.id.MFASerial == "" {
			s.session.drop(ctx, creds)
		}
		return login.Token{}, err
	}
	token, err := answer.token(s.public)
	if err != nil {
		return login.Token{}, w.fail(stepToken, "", err)
	}
	token.ObtainedAt, token.Source = obtained, from.name
	if creds.CanExpire {
		token.SessionEndsAt = creds.Expires
	}
	return token, nil
}

// ask makes the one call this package is about. The deprecated registryIds are
// left out: a token opens every registry of the region that its identity may use.
func (s *Source) ask(ctx context.Context, cfg aws.Config, creds aws.Credentials) (answer, error) {
	provider := credentials.StaticCredentialsProvider{Value: creds}
	if s.public {
		client := ecrpublic.NewFromConfig(cfg, func(o *ecrpublic.Options) {
			o.Credentials = provider
			setEndpoint(&o.BaseEndpoint, s.id.EndpointURL)
		})
		out, err := client.GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
		if err != nil || out.AuthorizationData == nil {
			return answer{}, err
		}
		d := out.AuthorizationData
		return answer{aws.ToString(d.AuthorizationToken), aws.ToTime(d.ExpiresAt), ""}, nil
	}
	client := ecr.NewFromConfig(cfg, func(o *ecr.Options) {
		o.Credentials = provider
		setEndpoint(&o.BaseEndpoint, s.id.EndpointURL)
	})
	out, err := client.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil || len(out.AuthorizationData) == 0 {
		return answer{}, err
	}
	d := out.AuthorizationData[0]
	return answer{aws.ToString(d.AuthorizationToken), aws.ToTime(d.ExpiresAt), aws.ToString(d.ProxyEndpoint)}, nil
}

// setEndpoint leaves what the SDK found (AWS_ENDPOINT_URL and the like) alone
// when the identity names no endpoint.
func setEndpoint(endpoint **string, url string) {
	if url != "" {
		*endpoint = &url
	}
}

// situation gathers what classify needs to know and cannot find out by itself.
func (s *Source) situation(w *wire) situation {
	return situation{id: s.id, region: s.region, public: s.public, timeout: s.timeout,
		files: w.describe(sharedFiles()), bare: s.bare(), from: w.from, env: os.Getenv, now: time.Now()}
}

// bare reports whether the config file has the profile's name without "profile" before it,
// as it is right in the credentials file alone.
func (s *Source) bare() bool {
	name := s.profileName()
	data, err := filetrust.Read("AWS_CONFIG_FILE", sharedFiles()[0], fileLimit)
	return name != "" && name != config.DefaultSharedConfigProfile && err == nil &&
		regexp.MustCompile(`(?m)^[ \t]*\[[ \t]*`+regexp.QuoteMeta(name)+`[ \t]*\]`).Match(data)
}
