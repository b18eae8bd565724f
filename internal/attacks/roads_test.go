package attacks

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecr-refreshd/internal/ecr"
	"ecr-refreshd/internal/login"
)

// road is one way to a token: where the credentials come from and which requests
// and commands it takes.
type road struct {
	name     string
	public   bool
	requests []string // those that are attacked
	// lay writes the files of the road into home and returns what else it takes.
	lay func(c *cloud, home string) (map[string]string, login.Identity)
}

const (
	account = "111122223333"
	role    = "arn:aws:iam::111122223333:role/pull"
)

// secret is a new one that the product reads and may send or not.
func (c *cloud) secret(field string, length int) string {
	s := newSecret(length)
	c.ledger.note("file/"+field, s)
	return s
}

// keys are the variables of a temporary session.
func (c *cloud) keys() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": "ASIAENV", "AWS_SECRET_ACCESS_KEY": c.secret("secret_access_key", 40), "AWS_SESSION_TOKEN": c.secret("session_token", 120)}
}

var roads = []road{
	{"keys", false, []string{askToken}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return c.keys(), login.Identity{}
	}},
	{"keys for ECR Public", true, []string{askPublicToken}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return c.keys(), login.Identity{}
	}},
	{"role", false, []string{askRole, askToken}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return c.keys(), login.Identity{RoleARNs: []string{role}, ExternalID: c.secret("external_id", 30)}
	}},
	{"second role", false, []string{askRole}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return c.keys(), login.Identity{RoleARNs: []string{role, role + "2"}}
	}},
	{"session with MFA", false, []string{askSession}, func(c *cloud, home string) (map[string]string, login.Identity) {
		c.ledger.note("command/TokenCode", code)
		return c.keys(), login.Identity{MFASerial: "arn:aws:iam::111122223333:mfa/me", MFACommand: []string{"echo", code}}
	}},
	{"role of a profile", false, []string{askRole}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, ".aws/config", "[profile ci]\nrole_arn="+role+"\nsource_profile=base\nexternal_id="+c.secret("external_id", 30)+
			"\n[profile base]\naws_access_key_id=AKIABASE\naws_secret_access_key="+c.secret("secret_access_key", 40)+"\naws_session_token="+c.secret("session_token", 120)+"\n")
		return nil, login.Identity{Profile: "ci"}
	}},
	{"web identity", false, []string{askWebRole, askToken}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, "jwt", c.secret("token", 60)+"."+c.secret("token", 300)+"."+c.secret("token", 80))
		return map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": filepath.Join(home, "jwt"), "AWS_ROLE_ARN": role}, login.Identity{}
	}},
	{"web identity of a profile", false, []string{askWebRole}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, "jwt", c.secret("token", 200))
		write(home, ".aws/config", "[profile ci]\nrole_arn="+role+"\nweb_identity_token_file="+filepath.Join(home, "jwt")+"\n")
		return nil, login.Identity{Profile: "ci"}
	}},
	{"SSO", false, []string{askSSO}, func(c *cloud, home string) (map[string]string, login.Identity) {
		return nil, c.sso(home, time.Hour)
	}},
	{"SSO without a session", false, []string{askSSO}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, ".aws/config", "[profile ci]\nsso_start_url=https://portal.example\nsso_region=us-east-1\nsso_account_id="+account+"\nsso_role_name=pull\n")
		c.ssoCache(home, "https://portal.example", time.Hour)
		return nil, login.Identity{Profile: "ci"}
	}},
	{"SSO with an old token", false, []string{askSSOToken, askSSO}, func(c *cloud, home string) (map[string]string, login.Identity) {
		return nil, c.sso(home, -time.Hour)
	}},
	{"instance metadata", false, []string{askIMDSToken, askIMDSRoles, askIMDSKeys, askToken}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return map[string]string{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": c.URL}, login.Identity{}
	}},
	{"container", false, []string{askContainer, askToken}, func(c *cloud, _ string) (map[string]string, login.Identity) {
		return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": c.URL + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": c.secret("token", 60)}, login.Identity{}
	}},
	{"container with a token file", false, []string{askContainer}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, "token", c.secret("token", 60))
		return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": c.URL + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": filepath.Join(home, "token")}, login.Identity{}
	}},
	{"role by the container", false, []string{askContainer, askRole}, func(c *cloud, home string) (map[string]string, login.Identity) {
		write(home, ".aws/config", "[profile ci]\nrole_arn="+role+"\ncredential_source=EcsContainer\n")
		return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": c.URL + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": c.secret("token", 60)}, login.Identity{Profile: "ci"}
	}},
}

// sso is a profile with a session of IAM Identity Center whose token lives for life.
func (c *cloud) sso(home string, life time.Duration) login.Identity {
	write(home, ".aws/config", "[profile ci]\nsso_session=corp\nsso_account_id="+account+"\nsso_role_name=pull\n"+
		"[sso-session corp]\nsso_region=us-east-1\nsso_start_url=https://portal.example\nsso_registration_scopes=sso:account:access\n")
	c.ssoCache(home, "corp", life)
	return login.Identity{Profile: "ci"}
}

// ssoCache writes what "aws sso login" leaves.
func (c *cloud) ssoCache(home, key string, life time.Duration) {
	sum := sha1.Sum([]byte(key))
	write(home, filepath.Join(".aws/sso/cache", hex.EncodeToString(sum[:])+".json"), fmt.Sprintf(`{"accessToken":%q,"expiresAt":%q,"refreshToken":%q,"clientId":"client","clientSecret":%q}`,
		c.secret("accessToken", 100), time.Now().Add(life).UTC().Format(time.RFC3339), c.secret("refreshToken", 100), c.secret("clientSecret", 60)))
}

// write writes a file below home.
func write(home, name, text string) {
	path := filepath.Join(home, name)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// prepare lays a road and returns its whole environment of AWS and the identity.
func (r road) prepare(c *cloud, home string) (map[string]string, login.Identity) {
	own, id := r.lay(c, home)
	env := map[string]string{"HOME": home, "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": c.URL, "AWS_ENDPOINT_URL_STS": c.URL, "AWS_ENDPOINT_URL_SSO": c.URL, "AWS_ENDPOINT_URL_SSO_OIDC": c.URL, "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": filepath.Join(home, ".aws/config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, ".aws/credentials")}
	maps.Copy(env, own)
	return env, id
}

// source lays a road in this process and makes its source.
func (r road) source(t testing.TB, c *cloud) *ecr.Source {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name)
		}
	}
	env, id := r.prepare(c, t.TempDir())
	for name, text := range env {
		if text != "" {
			t.Setenv(name, text)
		} else {
			_ = os.Unsetenv(name)
		}
	}
	s := ecr.New(id, "us-east-1", r.public, ecr.Options{Timeout: 20 * time.Second})
	return s
}
