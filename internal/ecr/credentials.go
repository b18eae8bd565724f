package ecr

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// roleLife is the life asked for a role's session: the most that every role
// allows, chained ones too. The SDK's own default of 15 minutes would make a
// token due for renewal just as soon.
const roleLife = time.Hour

// load reads the AWS configuration as every SDK does. The second result is set
// once the instance metadata service has given credentials: their true end.
func (s *Source) load(ctx context.Context) (aws.Config, *time.Time, error) {
	end := new(time.Time)
	options := []func(*config.LoadOptions) error{
		config.WithRegion(s.region),
		config.WithHTTPClient(s.clients.buildable),
		config.WithRetryer(func() aws.Retryer { return clockRetryer{} }),
		config.WithLogger(logging.Nop{}),
		config.WithAPIOptions([]func(*middleware.Stack) error{boundAnswer, watchMetadata(end)}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = sts.New(c.Options(), s.sts)
			}
			if o.RoleSessionName == "" {
				o.RoleSessionName = s.id.SessionName
			}
			if o.Duration == 0 {
				o.Duration = roleLife
			}
			if len(s.id.MFACommand) > 0 {
				o.TokenProvider = func() (string, error) { return mfaCode(ctx, s.id.MFACommand) }
			}
		}),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = sts.New(c.Options(), s.sts)
			}
			if o.RoleSessionName == "" {
				o.RoleSessionName = s.id.SessionName
			}
			if file, ok := o.TokenRetriever.(stscreds.IdentityTokenFile); ok {
				o.TokenRetriever = tokenFile(file)
			}
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
	if cfg.HTTPClient == s.clients.buildable { // not so with a CA bundle of its own
		cfg.HTTPClient = s.clients.shared
	}
	return cfg, end, err
}

// sts applies the identity's settings to a client of STS.
func (s *Source) sts(o *sts.Options) { setEndpoint(&o.BaseEndpoint, s.id.STSEndpointURL) }

// retrieve obtains credentials: those of the SDK's chain, then a session with
// MFA or the roles, one with the credentials of the other.
func (s *Source) retrieve(ctx context.Context, cfg aws.Config, end *time.Time) (aws.Credentials, error) {
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return creds, &stepError{step: stepCredentials, err: err}
	}
	if creds.Source == ec2rolecreds.ProviderName && !end.IsZero() {
		creds.Expires = *end
	}
	if s.id.MFASerial != "" && len(s.id.RoleARNs) == 0 {
		used := redactor(creds)
		creds, err = s.sessionToken(ctx, s.client(cfg, creds))
		if err != nil {
			return creds, &stepError{step: stepSession, subject: s.id.MFASerial, used: used, err: err}
		}
	}
	for i, arn := range s.id.RoleARNs {
		used := redactor(creds)
		creds, err = s.role(ctx, s.client(cfg, creds), arn, i == 0)
		if err != nil {
			return creds, &stepError{step: stepRole, subject: arn, used: used, err: err}
		}
	}
	return creds, nil
}

func (s *Source) client(cfg aws.Config, creds aws.Credentials) *sts.Client {
	return sts.NewFromConfig(cfg, s.sts, func(o *sts.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: creds}
	})
}

func (s *Source) role(ctx context.Context, client *sts.Client, arn string, first bool) (aws.Credentials, error) {
	return stscreds.NewAssumeRoleProvider(client, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = s.id.SessionName
		o.Duration = roleLife
		if s.id.ExternalID != "" {
			o.ExternalID = &s.id.ExternalID
		}
		if first && s.id.MFASerial != "" {
			o.SerialNumber = &s.id.MFASerial
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
	c := out.Credentials
	if c == nil || c.AccessKeyId == nil || c.SecretAccessKey == nil {
		return aws.Credentials{}, answerError("the answer holds no credentials")
	}
	return aws.Credentials{AccessKeyID: *c.AccessKeyId, SecretAccessKey: *c.SecretAccessKey,
		SessionToken: aws.ToString(c.SessionToken), CanExpire: c.Expiration != nil, Expires: aws.ToTime(c.Expiration)}, nil
}
