package emulator

import (
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	imdsTTL          = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	imdsToken        = "X-Aws-Ec2-Metadata-Token"
	imdsMaxTTL       = 21600 // seconds
	imdsCredentials  = "/latest/meta-data/iam/security-credentials/"
	instanceID       = "i-0123456789abcdef0"
	noRoleAccount    = "111122223333" // of an instance without a role
	instanceLifetime = defaultSessionLife
)

// instance is the emulated EC2 instance.
type instance struct {
	region, account string
	role            *Role // nil: none
	sessions        *ledger[string, imdsSession]

	mu      sync.Mutex
	current *principal // the session of the role; renewed at half its life
	started time.Time
}

type imdsSession struct{ ends time.Time }

func (s imdsSession) endsAt() time.Time { return s.ends }

func newInstance(roleARN, region string, roles []Role) (*instance, error) {
	i := &instance{region: region, account: noRoleAccount, sessions: newLedger[string, imdsSession]()}
	if roleARN == "" {
		return i, nil
	}
	var err error
	if i.account, err = roleAccount(roleARN); err != nil {
		return nil, err
	}
	i.role = &Role{ARN: roleARN}
	for _, r := range roles {
		if r.ARN == roleARN {
			i.role = &r
		}
	}
	return i, nil
}

// serveIMDS serves version 2 of the instance metadata service.
func (s *Server) serveIMDS(x *exchange) {
	x.call.Operation, x.call.Region = imdsOperation, s.instance.region
	if _, answered := s.disturb(x, func(e *apiError) { x.plain(e.Status, e.Code, e.Message) }); answered {
		return
	}
	now := s.now()
	if x.req.URL.Path == "/latest/api/token" {
		s.instance.openSession(x, now)
		return
	}
	session, ok := s.instance.sessions.get(x.req.Header.Get(imdsToken))
	switch {
	case !ok || !now.Before(session.ends):
		x.plain(http.StatusUnauthorized, "Unauthorized", "")
	case x.req.Method != http.MethodGet:
		x.plain(http.StatusMethodNotAllowed, "MethodNotAllowed", "")
	default:
		s.serveMetadata(x, now)
	}
}

func (i *instance) openSession(x *exchange, now time.Time) {
	ttl, err := strconv.Atoi(x.req.Header.Get(imdsTTL))
	switch {
	case x.req.Method != http.MethodPut:
		x.plain(http.StatusMethodNotAllowed, "MethodNotAllowed", "")
		return
	case err != nil || ttl < 1 || ttl > imdsMaxTTL:
		x.plain(http.StatusBadRequest, "BadRequest", "")
		return
	}
	session := randomBase64(42)
	i.sessions.put(session, imdsSession{now.Add(time.Duration(ttl) * time.Second)}, now)
	x.Header().Set(imdsTTL, strconv.Itoa(ttl))
	x.plain(http.StatusOK, "", session)
}

func (s *Server) serveMetadata(x *exchange, now time.Time) {
	i := s.instance
	switch asked := x.req.URL.Path; {
	case asked == "/latest/meta-data/placement/region":
		x.plain(http.StatusOK, "", i.region)
	case asked == "/latest/dynamic/instance-identity/document":
		x.json(map[string]string{"region": i.region, "accountId": i.account, "instanceId": instanceID})
	case i.role != nil && strings.TrimSuffix(asked, "/")+"/" == imdsCredentials:
		x.plain(http.StatusOK, "", path.Base(i.role.ARN))
	case i.role != nil && asked == imdsCredentials+path.Base(i.role.ARN):
		s.serveInstanceCredentials(x, now)
	default:
		x.plain(http.StatusNotFound, "NotFound", "")
	}
}

func (s *Server) serveInstanceCredentials(x *exchange, now time.Time) {
	session, started, err := s.instance.session(s.people, now)
	if err != nil {
		x.plain(http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	x.json(map[string]string{
		"Code":            "Success",
		"Type":            "AWS-HMAC",
		"LastUpdated":     started.UTC().Format(time.RFC3339),
		"AccessKeyId":     session.accessKey,
		"SecretAccessKey": session.secret,
		"Token":           session.sessionToken,
		"Expiration":      session.ends.UTC().Format(time.RFC3339),
	})
}

// session gives the role's session: the same one to everybody until half its
// life is over.
func (i *instance) session(p *people, now time.Time) (*principal, time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.current != nil && now.Before(i.started.Add(i.current.ends.Sub(i.started)/2)) {
		return i.current, i.started, nil
	}
	session, err := p.open(*i.role, instanceID, instanceLifetime, now)
	if err == nil {
		i.current, i.started = session, now
	}
	return session, now, err
}

// plain answers with text; code is that of an error, or empty.
func (x *exchange) plain(status int, code, text string) {
	x.call.Code = code
	x.Header().Set("Content-Type", "text/plain")
	x.WriteHeader(status)
	_, _ = x.Write([]byte(text))
}

func (x *exchange) json(v any) {
	x.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(x).Encode(v) // a client that has gone misses nothing
}
