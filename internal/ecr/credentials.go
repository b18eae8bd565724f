package ecr

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// roleLife is the life asked for a role's session: the most that every role
// allows, chained ones too. The SDK's own default of 15 minutes would make a
// token due for renewal just as soon.
const roleLife = time.Hour

// sealed is the HTTP client that the SDK is given: it reaches nothing, so that a
// request that does not go over the wire fails in every test instead of leaking.
var sealed = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
	t.Proxy = nil
	t.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("a request of the SDK went past the wire")
	}
})

// load reads the AWS configuration as every SDK does, and gives its requests the
// wire. The second result is set once the instance metadata service has given
// credentials: their true end.
func (s *Source) load(ctx context.Context, w *wire) (aws.Config, *time.Time, error) {
	end := new(time.Time)
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.region),
		config.WithHTTPClient(sealed),
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = sealed }),
		config.WithDefaultsMode(aws.DefaultsModeLegacy), // another may ask the metadata service while it loads
		config.WithRetryer(func() aws.Retryer { return clockRetryer{} }),
		config.WithLogger(logging.Nop{}),
		config.WithAPIOptions([]func(*middleware.Stack) error{w.install, checkAnswers(end)}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = sts.New(c.Options(), s.sts)
			}
			o.RoleSessionName = cmp.Or(o.RoleSessionName, s.id.SessionName)
			o.Duration = cmp.Or(o.Duration, roleLife)
			if len(s.id.MFACommand) > 0 {
				o.TokenProvider = func() (string, error) { return mfaCode(ctx, s.id.MFACommand) }
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = sts.New(c.Options(), s.sts)
			}
			o.RoleSessionName = cmp.Or(o.RoleSessionName, s.id.SessionName)
		}),
	}
	if s.id.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(s.id.Profile))
	}
	if s.id.FIPS {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if s.id.DualStack {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, end, err
	}
	// The SDK has put the certificates of ca_bundle or AWS_CA_BUNDLE into its client.
	if c, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok && c != sealed {
		w.trust(c.GetTransport().TLSClientConfig.RootCAs)
	}
	return cfg, end, err
}

// sts applies the identity's settings to a client of STS.
func (s *Source) sts(o *sts.Options) { setEndpoint(&o.BaseEndpoint, s.id.STSEndpointURL) }

// retrieve obtains credentials: those of the SDK's chain, then a session with
// MFA or the roles, one with the credentials of the other. The error is a *stepError.
func (s *Source) retrieve(ctx context.Context, cfg aws.Config, w *wire, from source, end *time.Time) (aws.Credentials, error) {
	creds, err := s.chain(ctx, cfg, w, from)
	if err == nil && !creds.HasKeys() { // of a provider whose answers checkAnswers does not see
		err = noKeys
	}
	if err == nil {
		err = malformed(creds)
	}
	if err != nil {
		return aws.Credentials{}, w.fail(stepCredentials, "", err)
	}
	w.learn(creds.SecretAccessKey, creds.SessionToken)
	if creds.Source == ec2rolecreds.ProviderName && !end.IsZero() {
		creds.Expires = *end
	}
	if s.id.MFASerial != "" && len(s.id.RoleARNs) == 0 {
		w.begin()
		creds, err = s.sessionToken(ctx, s.client(cfg, creds))
		if err != nil {
			return aws.Credentials{}, w.fail(stepSession, s.id.MFASerial, err)
		}
	}
	for i, arn := range s.id.RoleARNs {
		w.begin()
		r := role{ARN: arn, externalID: s.id.ExternalID}
		if i == 0 {
			r.mfaSerial = s.id.MFASerial
		}
		creds, err = s.role(ctx, s.client(cfg, creds), r)
		if err != nil {
			return aws.Credentials{}, w.fail(stepRole, arn, err)
		}
	}
	w.learn(creds.SecretAccessKey, creds.SessionToken)
	return creds, nil
}

// keyError is a part of credentials that holds what no key or token has. AWS would call
// it a wrong signature, and net/http an invalid header. What it holds is not in it.
type keyError struct{ field, fault string }

func (e *keyError) Error() string { return e.field + " " + e.fault }

// malformed finds what came along when somebody copied a key.
func malformed(c aws.Credentials) error {
	for _, part := range []struct{ field, value string }{
		{"access key id", c.AccessKeyID}, {"secret access key", c.SecretAccessKey}, {"session token", c.SessionToken}} {
		strange := strings.IndexFunc(part.value, func(r rune) bool { return r <= ' ' || r > '~' })
		trimmed := strings.Trim(part.value, "\"'`")
		switch {
		case strange >= 0 && strings.TrimRightFunc(part.value, unicode.IsSpace) == part.value[:strange]:
			return &keyError{part.field, "ends with a blank or a line break"}
		case strange == 0 && strings.TrimLeftFunc(part.value, unicode.IsSpace) != part.value:
			return &keyError{part.field, "begins with a blank or a line break"}
		case strange >= 0:
			return &keyError{part.field, "has a blank or a character in it that no key has"}
		case trimmed != part.value:
			return &keyError{part.field, "has quotation marks around it"}
		}
	}
	return nil
}

// chain is the SDK's own, except for a credential_process, which it would run
// without a bound and with this program's standard error.
func (s *Source) chain(ctx context.Context, cfg aws.Config, w *wire, from source) (aws.Credentials, error) {
	if from.process == "" {
		return cfg.Credentials.Retrieve(ctx)
	}
	if err := mayDecide(); err != nil {
		return aws.Credentials{}, err
	}
	creds, err := runProcess(ctx, from.process, w)
	for i := len(from.roles) - 1; i >= 0 && err == nil; i-- {
		w.learn(creds.SecretAccessKey, creds.SessionToken)
		creds, err = s.role(ctx, s.client(cfg, creds), from.roles[i])
	}
	return creds, err
}

func (s *Source) client(cfg aws.Config, creds aws.Credentials) *sts.Client {
	return sts.NewFromConfig(cfg, s.sts, func(o *sts.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: creds}
	})
}

// role is one to assume, of the configuration or of a profile.
type role struct {
	ARN, externalID, mfaSerial string
	sessionName                string        // the identity's when empty
	life                       time.Duration // roleLife when zero
}

func (s *Source) role(ctx context.Context, client *sts.Client, r role) (aws.Credentials, error) {
	return stscreds.NewAssumeRoleProvider(client, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = cmp.Or(r.sessionName, s.id.SessionName)
		o.Duration = cmp.Or(r.life, roleLife)
		if r.externalID != "" {
			o.ExternalID = &r.externalID
		}
		if r.mfaSerial != "" && len(s.id.MFACommand) > 0 {
			o.SerialNumber = &r.mfaSerial
			o.TokenProvider = func() (string, error) { return mfaCode(ctx, s.id.MFACommand) }
		}
	}).Retrieve(ctx)
}

// sessionToken is for users whose policy demands MFA. It asks for no life: AWS
// gives a user 12 hours.
func (s *Source) sessionToken(ctx context.Context, client *sts.Client) (aws.Credentials, error) {
	code, err := mfaCode(ctx, s.id.MFACommand)
	if err != nil {
		return aws.Credentials{}, err
	}
	out, err := client.GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: &s.id.MFASerial, TokenCode: &code})
	if err != nil {
		return aws.Credentials{}, err
	}
	c := out.Credentials // checkAnswers has seen that they are there
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey,
		SessionToken: aws.ToString(c.SessionToken), CanExpire: c.Expiration != nil, Expires: aws.ToTime(c.Expiration)}, nil
}
