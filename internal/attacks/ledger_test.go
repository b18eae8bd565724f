package attacks

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// ledger holds every value that was sent to a server of the tests, or received from
// one. It is filled with what is really on the wire, so that a secret which the product begins to
// send tomorrow is searched for without a word here. What may be shown is listed
// in harmless, by the name of its field. Safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	values  []value
	pieces  map[string]leak // of every form of every value, see search
	lengths []int           // of pieces
}

func newLedger() *ledger { return &ledger{pieces: map[string]leak{}} }

// value is one that must not be shown.
type value struct {
	field string // where it was seen, the header, form or JSON field's name last
	text  string
}

// harmless are the fields, in lower case, whose values may be shown.
var harmless = []string{
	// of requests
	"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection", "amz-sdk-invocation-id", "amz-sdk-request",
	"x-amz-target", "x-amz-date", "x-amz-content-sha256", "x-aws-ec2-metadata-token-ttl-seconds",
	"credential", "signedheaders", "aws4-hmac-sha256",
	"action", "version", "rolearn", "rolesessionname", "durationseconds", "serialnumber", "account_id", "role_name", "clientid", "granttype", "grant_type",
	"username", "serveraddress",
	// of answers
	"accesskeyid", "expiration", "expiresat", "expiresin", "proxyendpoint", "code", "type", "lastupdated", "arn", "assumedroleid", "tokentype",
	"role list", "apiversion", "status",
}

// shortest is the length, in bytes, below which a value is no secret. An MFA code
// has 6 digits.
const shortest = 6

// note makes a value known, and what it is base64 of.
func (l *ledger) note(field, text string) {
	name := field[strings.LastIndexByte(field, '/')+1:]
	if len(text) < shortest || slices.Contains(harmless, strings.ToLower(name)) {
		return
	}
	l.mu.Lock()
	if !slices.ContainsFunc(l.values, func(v value) bool { return v.text == text }) {
		l.values = append(l.values, value{field, text})
		l.index(value{field, text})
	}
	l.mu.Unlock()
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil && utf8.Valid(raw) {
		if _, password, found := strings.Cut(string(raw), ":"); found {
			l.note(field+"/password", password)
		}
	}
}

// request notes what is in a request.
func (l *ledger) request(r *http.Request, body []byte) {
	where := r.Method + " " + r.URL.Path
	for name, texts := range r.Header {
		for _, text := range texts {
			if name != "Authorization" && name != "Proxy-Authorization" {
				l.note(where+"/"+name, text)
				continue
			}
			for _, part := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == ',' }) {
				key, val, named := strings.Cut(part, "=")
				if named && strings.Trim(val, "=") != "" { // not the padding of base64
					l.note(where+"/"+name+"/"+key, val)
				} else {
					l.note(where+"/"+name+"/"+key, part)
				}
			}
		}
	}
	for name, texts := range r.URL.Query() {
		for _, text := range texts {
			l.note(where+"/"+name, text)
		}
	}
	l.body(where, body)
}

// body notes the leaves of a form, JSON or XML, or else the whole.
func (l *ledger) body(where string, body []byte) {
	text := strings.TrimSpace(string(body))
	var object any
	switch {
	case text == "":
	case json.Unmarshal(body, &object) == nil:
		l.leaves(where, object)
	case strings.HasPrefix(text, "<"):
		l.elements(where, text)
	case strings.Contains(text, "Action="):
		form, err := url.ParseQuery(text)
		if err != nil {
			l.note(where, text)
		}
		for name, texts := range form {
			for _, text := range texts {
				l.note(where+"/"+name, text)
			}
		}
	default:
		l.note(where, text)
	}
}

func (l *ledger) leaves(where string, object any) {
	switch o := object.(type) {
	case map[string]any:
		for name, inner := range o {
			l.leaves(where+"/"+name, inner)
		}
	case []any:
		for _, inner := range o {
			l.leaves(where, inner)
		}
	case string:
		l.note(where, o)
	}
}

func (l *ledger) elements(where, text string) {
	d := xml.NewDecoder(strings.NewReader(text))
	var name string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.note(where, text)
			return
		}
		switch e := token.(type) {
		case xml.StartElement:
			name = e.Name.Local
		case xml.CharData:
			l.note(where+"/"+name, strings.TrimSpace(string(e)))
		}
	}
}

// all are the values known by now.
func (l *ledger) all() []value {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.values)
}
