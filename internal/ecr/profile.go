package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	name := cmp.Or(s.profileName(), config.DefaultSharedConfigProfile)
	p, err := config.LoadSharedConfigProfile(ctx, name, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles = files[:1], files[1:]
	})
	if err != nil {
		return config.SharedConfig{}
	}
	return p
}

// profileName is the profile that the SDK will use, empty for its default one.
func (s *Source) profileName() string {
	return cmp.Or(s.id.Profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"))
}

// source is where the SDK's chain takes credentials from for an identity.
type source struct {
	kind    sourceKind
	name    string // for people; empty where it is not known
	files   string // fingerprint of the shared files that say so
	process string // a profile's credential_process
	roles   []role // assumed with them, the last one first
}

type sourceKind int

const (
	fromNowhere sourceKind = iota // what the SDK will say is wrong
	fromEnvironment
	fromFile
	fromWebIdentity
	fromSSO
	fromLogin
	fromProcess
	fromContainer
	fromMetadata
)

// hint says what to do about a source that does not answer; empty for those that are
// asked of STS or of nobody.
func (f source) hint() string {
	const way = "check DNS, firewall and proxy (HTTPS_PROXY, NO_PROXY) on the way to "
	switch f.kind {
	case fromProcess:
		return "run " + f.name + " by hand, as the user the daemon runs as and without a terminal"
	case fromContainer:
		return "check that what answers at " + f.name + " runs, and that NO_PROXY holds its address"
	case fromMetadata:
		return "on EC2, check that the instance metadata service is on; elsewhere, AWS_EC2_METADATA_DISABLED=true ends the search; behind a proxy, NO_PROXY must hold 169.254.169.254"
	case fromSSO, fromLogin:
		return way + f.name
	}
	return ""
}

// called sets kind and name.
func (f *source) called(kind sourceKind, format string, args ...any) {
	f.kind, f.name = kind, fmt.Sprintf(format, args...)
}

// endOfChain is where the SDK looks when nothing names a source.
func (f *source) endOfChain() {
	for _, v := range []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		if os.Getenv(v) != "" {
			f.called(fromContainer, "the container credentials endpoint (%s)", v)
			return
		}
	}
	f.called(fromMetadata, "the instance metadata service")
}

// source follows the SDK's order, from a profile of the shared files.
func (s *Source) source(whole config.SharedConfig) source {
	env, err := config.NewEnvConfig()
	switch {
	case err != nil:
		return source{}
	case s.id.Profile == "" && env.Credentials.HasKeys():
		return source{kind: fromEnvironment, name: "the environment (AWS_ACCESS_KEY_ID)"}
	case s.id.Profile == "" && env.WebIdentityTokenFilePath != "":
		return source{kind: fromWebIdentity, name: "STS, for the token of AWS_WEB_IDENTITY_TOKEN_FILE"}
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
	profile := fmt.Sprintf("profile %q", cmp.Or(p.Profile, config.DefaultSharedConfigProfile))
	switch {
	case p.Credentials.HasKeys():
		from.called(fromFile, "%s", profile)
	case p.WebIdentityTokenFile != "":
		from.called(fromWebIdentity, "STS, for the web_identity_token_file of %s", profile)
	case p.SSOSessionName+p.SSOAccountID+p.SSORegion+p.SSORoleName+p.SSOStartURL != "":
		from.called(fromSSO, "the SSO portal of %s", profile)
	case p.LoginSession != "":
		from.called(fromLogin, "the login session of %s", profile)
	case p.CredentialSource == "Ec2InstanceMetadata":
		from.called(fromMetadata, "the instance metadata service")
	case p.CredentialSource == "Environment":
		from.called(fromEnvironment, "the environment (AWS_ACCESS_KEY_ID)")
	case p.CredentialSource == "EcsContainer":
		from.endOfChain()
	case p.CredentialProcess != "":
		from.called(fromProcess, "the credential_process of %s", profile)
		from.process = p.CredentialProcess
	default:
		from.endOfChain()
	}
	if len(from.roles) > 0 {
		from.name += ", or from STS for its role_arn"
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
