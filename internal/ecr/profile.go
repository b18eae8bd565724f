package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"

	"ecr-refreshd/internal/filetrust"
)

// profile is the shared configuration that the SDK will use. What is wrong with it is
// the SDK's to report, so there is no error.
func (s *Source) profile(ctx context.Context, files []string) config.SharedConfig {
	name := cmp.Or(s.id.Profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), config.DefaultSharedConfigProfile)
	p, err := config.LoadSharedConfigProfile(ctx, name, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files[:1], files[1:]
	})
	if err != nil {
		return config.SharedConfig{}
	}
	return p
}

// source is where the SDK's chain takes credentials from for an identity.
type source struct {
	files       string // fingerprint of the shared files that say so
	webIdentity bool   // the environment's AWS_WEB_IDENTITY_TOKEN_FILE
	process     string // a profile's credential_process
	last        bool   // nothing names one: a container's endpoint, or the instance metadata service
	roles       []role // assumed with them, the last one first
}

// source follows the SDK's order, from a profile of the shared files.
func (s *Source) source(whole config.SharedConfig) source {
	env, err := config.NewEnvConfig()
	switch {
	case err != nil, s.id.Profile == "" && env.Credentials.HasKeys():
		return source{}
	case s.id.Profile == "" && env.WebIdentityTokenFilePath != "":
		return source{webIdentity: true}
	}
	p := &whole
	var from source
	for {
		if p.RoleARN != "" {
			r := role{ARN: p.RoleARN, externalID: p.ExternalID, mfaSerial: p.MFASerial, sessionName: p.RoleSessionName}
			if d := aws.ToDuration(p.RoleDurationSeconds); d > 15*time.Minute { // the SDK takes 15 minutes for unset
				r.life = d
			}
			from.roles = append(from.roles, r)
		}
		if p.Source == nil {
			break
		}
		p = p.Source
	}
	before := p.WebIdentityTokenFile + p.SSOSessionName + p.SSOAccountID + p.SSORegion + p.SSORoleName + p.SSOStartURL + p.LoginSession
	switch {
	case p.Credentials.HasKeys(), before != "":
	case p.CredentialSource != "":
		from.last = p.CredentialSource == "EcsContainer"
	case p.CredentialProcess != "":
		from.process = p.CredentialProcess
	default:
		from.last = true
	}
	return from
}

// mayDecide refuses shared files that say what root runs and that somebody else could
// change: under sudo HOME may be another account's.
func mayDecide() error {
	if os.Geteuid() != 0 {
		return nil
	}
	rule := filetrust.Rule{What: "the credential_process that root runs", Owners: []uint32{0}}
	for _, path := range sharedFiles() {
		f, err := rule.Open(path)
		if refused := (*filetrust.Error)(nil); errors.As(err, &refused) {
			return refused
		}
		if err == nil {
			_ = f.Close() // only its owner was of interest
		}
	}
	return nil
}

// runProcess runs a credential_process, as the SDK describes it.
func runProcess(ctx context.Context, line string, w *wire) (aws.Credentials, error) {
	out, said, err := output(shell(ctx, line))
	var c processcreds.CredentialProcessResponse
	switch {
	case err != nil:
	case json.Unmarshal(out, &c) != nil, c.AccessKeyID == "", c.SecretAccessKey == "":
		err = errors.New("it printed something else than credentials")
	case c.Version != 1:
		err = errors.New("it printed credentials of another version than 1")
	}
	w.learn(c.SecretAccessKey, c.SessionToken)
	if err != nil {
		return aws.Credentials{}, &commandError{setting: "credential_process", err: err, said: mask(said, strings.Fields(line), out)}
	}
	return aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		AccountID: c.AccountID, Source: processcreds.ProviderName, CanExpire: c.Expiration != nil, Expires: aws.ToTime(c.Expiration)}, nil
}
