package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"ecr-refreshd/internal/login"
)

// maxAsked is how many registries are asked: more say nothing new.
const maxAsked = 20

// answering bounds one request to a registry.
const answering = 3 * time.Second

// skew is the difference between two clocks that AWS still accepts.
const skew = 5 * time.Minute

// registries asks each registry from here, as a client does, and compares the clocks.
func (w *walk) registries(ctx context.Context) (checks []Check) {
	web := &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answering,
	}
	asked := w.held[:min(len(w.held), maxAsked)]
	results := make([][]Check, len(asked))
	var all []func()
	for i, h := range asked {
		all = append(all, func() { results[i] = ask(ctx, web, h) })
	}
	together(all...)
	clock := Check{}
	for _, r := range results {
		for _, c := range r {
			switch {
			case c.Stop != "clock":
				checks = append(checks, c)
			case clock.Mark != Fault:
				clock = c
			}
		}
	}
	if clock.Stop != "" {
		checks = append([]Check{clock}, checks...)
	}
	if n := len(w.held) - len(asked); n > 0 {
		checks = append(checks, Check{Stop: "registry", Mark: Left, Text: count(n, "more registry", "more registries") + ", not asked"})
	}
	return checks
}

// ask sends one request with the login, and none of the answer's text is shown.
func ask(ctx context.Context, web *http.Client, h held) []Check {
	c := Check{Stop: "registry", On: h.host, Mark: Fault}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+h.host+"/v2/", nil)
	if err != nil {
		c.Text = "not a host name"
		return []Check{c}
	}
	// ECR Public lets everybody in, and a login is no login there without its token service.
	sent := !h.login.Secret.IsZero() && !h.public
	if sent {
		request.SetBasicAuth(h.login.Username, h.login.Secret.Reveal())
	}
	before := time.Now()
	response, err := web.Do(request)
	if err != nil {
		c.Text, c.Cure = unreached(err, h.host)
		return []Check{c}
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, 64<<10)
	c.Text, c.Cure = fmt.Sprintf("answers %d", response.StatusCode), ""
	switch code := response.StatusCode; {
	case code == http.StatusOK && sent:
		c.Mark, c.Text = OK, "accepts the login, asked from this process"
	case code == http.StatusUnauthorized && !sent, code == http.StatusOK:
		c.Mark, c.Text = OK, "answers, asked from this process without a login"
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		c.Text = fmt.Sprintf("refuses the login (%d)", code)
		c.Command = refresh(h.host)
		c.Cure = "get another token; if it stays, the AWS session that got the token was revoked, or something in front of the registry takes the login away"
	case code == http.StatusBadRequest:
		c.Text = "takes the login for one of another region (400)"
		c.Cure = "check the region of " + h.host + " in the configuration; it is asked with a token of " + h.region
	case code == http.StatusProxyAuthRequired:
		c.Text = "the proxy wants a login (407)"
		c.Cure = "correct HTTPS_PROXY, for the engine with: systemctl edit docker"
	case code >= http.StatusInternalServerError:
		c.Cure = "it is the registry's, or that of a proxy in between; try again in a minute"
	default:
		c.Cure = "check that the name leads to ECR, and not to a proxy or a portal: getent hosts " + h.host
	}
	checks := []Check{c}
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		checks = append(checks, compare(before, date))
	}
	return checks
}

// compare looks at this host's clock beside another's, which rounds to seconds.
func compare(here, there time.Time) Check {
	d := here.Sub(there).Round(time.Second)
	c := Check{Stop: "clock", Mark: OK, Text: "as AWS's, within 5 minutes"}
	if d.Abs() > skew {
		side := "ahead of"
		if d < 0 {
			side = "behind"
		}
		c.Mark, c.Text, c.Command = Fault, fmt.Sprintf("%s %s AWS's", d.Abs(), side), asRoot("timedatectl set-ntp true")
	}
	return c
}

// unreached says why there was no answer. The URL is ours, the rest the operating system's
// and crypto/tls's words.
func unreached(err error, host string) (text, cure string) {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	var name *net.DNSError
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	switch {
	case errors.As(err, &name):
		return "its name cannot be resolved", "`getent hosts " + host + "` has to find it; behind a proxy, set HTTPS_PROXY"
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that this host does not know", "add the proxy's or endpoint's CA: /usr/local/share/ca-certificates, then update-ca-certificates; for the engine: /etc/docker/certs.d/" + host + "/ca.crt"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer within " + answering.String(), "curl -i https://" + host + "/v2/ should answer 401; behind a proxy, set HTTPS_PROXY"
	}
	return "cannot be reached: " + login.NewRedactor().Clean(err.Error()), "curl -i https://" + host + "/v2/ should answer 401; behind a proxy, set HTTPS_PROXY"
}
