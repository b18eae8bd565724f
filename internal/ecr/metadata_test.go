package ecr

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
)

// metadata is an instance metadata service (IMDSv2) that answers the roles'
// path with status, or hands out credentials that end in six hours.
func metadata(t *testing.T, status *atomic.Int32, ends time.Time) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s := int(status.Load()); {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			fmt.Fprint(w, "token")
		case s != http.StatusOK:
			w.WriteHeader(s)
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			fmt.Fprint(w, "instance-role")
		default:
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"ASIAIMDS","SecretAccessKey":%q,"Token":%q,"Expiration":%q}`,
				canary, canary, ends.Format(time.RFC3339))
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
}

func TestTheInstanceRoleIsFoundWhenItIsAttached(t *testing.T) {
	isolate(t)
	f := newFake(t)
	ends := time.Now().Add(6 * time.Hour).Truncate(time.Second)
	var status atomic.Int32
	metadata(t, &status, ends)
	s := newSource(t, f.id(), Options{})
	tests := []struct {
		status int32
		reason fault.Reason
		text   string
		hint   string
	}{
		{http.StatusNotFound, fault.Credentials, "the instance has no role", "attach a role"},
		{http.StatusUnauthorized, fault.Credentials, "answers 401", "hop limit"},
		{http.StatusServiceUnavailable, fault.Network, "answers 503", ""},
	}
	for _, tt := range tests {
		status.Store(tt.status)
		err := failFetch(t, s)
		if err.Reason != tt.reason || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Hint, tt.hint) {
			t.Errorf("%d: %s: %v (%s)", tt.status, err.Reason, err, err.Hint)
		}
	}
	status.Store(http.StatusOK)
	token := mustFetch(t, s)
	if !token.SessionEndsAt.Equal(ends) {
		t.Errorf("the session ends at %v, want %v as the metadata service says", token.SessionEndsAt, ends)
	}
	if call := f.operations("GetAuthorizationToken")[0]; call.key != "ASIAIMDS" || call.session != canary {
		t.Errorf("the token was asked for as %v", call)
	}
}

func TestNoMetadataService(t *testing.T) {
	isolate(t)
	f := newFake(t)
	s := newSource(t, f.id(), Options{})
	if err := failFetch(t, s); err.Reason != fault.Credentials || !strings.Contains(err.Error(), "is disabled") || !strings.Contains(err.Hint, "AWS_EC2_METADATA_DISABLED") {
		t.Errorf("disabled: %s: %v (%s)", err.Reason, err, err.Hint)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
	if err := failFetch(t, s); err.Reason != fault.Network || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("refused: %s: %v (%s)", err.Reason, err, err.Hint)
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.URL)
	// Half a second a request: nowhere near the minute this would take unbounded.
	if err := failFetch(t, s); err.Reason != fault.Network || strings.Contains(err.Error(), "within") {
		t.Errorf("silent: %s: %v (%s)", err.Reason, err, err.Hint)
	}
}
