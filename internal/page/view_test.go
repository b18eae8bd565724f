package page

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ecr-refreshd/internal/crowd"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

func TestHeadlineSaysHowEverythingStands(t *testing.T) {
	tests := []struct{ state, headline, mood, title string }{
		{"fresh", "Everything is well: 3 registries are logged in.", "well", "All well - ecr-refreshd"},
		{"failing", "2 of 5 registries need attention.", "bad", "2 need attention - ecr-refreshd"},
		{"waiting", "1 of 2 registries is being logged in.", "wait", "Waiting - ecr-refreshd"},
		{"empty", "No registries are configured.", "wait", "Waiting - ecr-refreshd"},
		{"refused", "2 registries are logged in, but 3 things need attention.", "bad", "Pulls fail - ecr-refreshd"},
		{"broken", "2,000 of 2,000 registries have no valid token: pulls fail.", "bad", "2,000 need attention - ecr-refreshd"},
	}
	for _, tt := range tests {
		t.Run(tt.state, func(t *testing.T) {
			v := look(states()[tt.state], now, false)
			if v.Headline != tt.headline || v.Mood != tt.mood || v.Title != tt.title || v.Icon == "" {
				t.Errorf("got %q, %q, %q", v.Headline, v.Mood, v.Title)
			}
			if (v.Next != nil) != slices.Contains([]string{"fresh", "waiting"}, tt.state) {
				t.Errorf("next renewal %+v", v.Next)
			}
		})
	}
	one := report(registry("111122223333", "us-east-1", status.Failing))
	one.Registries[0].Error = &status.Problem{Reason: fault.Network}
	if got := look(one, now, false).Headline; got != "1 of 1 registry needs attention; pulls still work." {
		t.Errorf("one host: %q", got)
	}
}

// What is wrong with the daemon itself is in the headline, too.
func TestAGeneralProblemIsInTheHeadline(t *testing.T) {
	r := report(registry("111122223333", "us-east-1", status.Failing))
	r.Registries[0].Error = &status.Problem{Reason: fault.Network}
	r.Socket.Error = &status.Problem{Message: "gone"}
	if v := look(r, now, false); v.Headline != "1 of 1 registry needs attention." || v.Mood != "bad" {
		t.Errorf("with a registry: %q, %q", v.Headline, v.Mood)
	}
	r = states()["fresh"]
	r.Socket.Error = &status.Problem{Message: "gone"}
	if v := look(r, now, false); v.Headline != "3 registries are logged in, but 1 thing needs attention." || v.Mood != "bad" {
		t.Errorf("alone: %q, %q", v.Headline, v.Mood)
	}
	r = states()["fresh"]
	r.HTTP = &status.HTTP{Error: &status.Problem{Message: "in use"}}
	if v := look(r, now, false); v.Mood != "warn" || len(v.Problems) != 1 {
		t.Errorf("http.listen: %q, %q", v.Headline, v.Mood)
	}
}

func TestWhatHurtsMostComesFirst(t *testing.T) {
	r := states()["expired"]
	r.Registries = append(r.Registries, states()["failing"].Registries...)
	r.Config.Error, r.Socket.Error, r.Registries[0].ClockWrong = &status.Problem{}, &status.Problem{}, true
	refused := registry("999988887777", "us-east-1", status.Pending)
	refused.Error, refused.ExpiresAt = &status.Problem{Reason: fault.Credentials}, nil
	r.Registries = append(r.Registries, refused)
	v := look(r, now, false)
	var titles []string
	for _, p := range v.Problems {
		titles = append(titles, p.Title)
	}
	want := []string{"AWS cannot be reached", "There are no usable AWS credentials", "New clients cannot connect", "AWS refuses to give a token",
		"The login cannot be stored in docker-config", "The changed configuration is not in force", "The clock of this machine is wrong", "A warning about docker-config"}
	if !slices.Equal(titles, want) {
		t.Errorf("problems %q", titles)
	}
	var hosts []string
	for _, s := range v.Sections {
		for _, row := range s.Rows {
			hosts = append(hosts, row.Host[0]+row.State)
		}
	}
	if want := []string{"777788889999.expired", "999988887777.pending", "444455556666.failing", "444455556666.failing", "111122223333.fresh", "222233334444.fresh",
		"333344445555.pending", "111122223333.fresh"}; !slices.Equal(hosts[:8], want) {
		t.Errorf("hosts %q", hosts)
	}
	if v.Sections[1].Title != "1 registry is being logged in, 4 are well" {
		t.Errorf("the others: %q", v.Sections[1].Title)
	}
}

func TestAProblemOfManyHostsIsShownOnce(t *testing.T) {
	r := states()["broken"]
	for i := range 7 {
		p := *r.Registries[i].Error
		p.Message = fmt.Sprint("request ", i)
		r.Registries[i].Error = &p
	}
	v := look(r, now, false)
	if len(v.Problems) != 1 {
		t.Fatalf("%d problems", len(v.Problems))
	}
	p := v.Problems[0]
	if len(p.Hosts) != named || p.More != 2000-named || p.Message != "request 0" || p.Similar != 7 || p.Effect != "Pulls fail: the tokens have expired, the first 3 h ago (11:35 UTC)." {
		t.Errorf("got %+v", p)
	}
	if id := v.Sections[0].Rows[9].Problem.ID; id != p.ID {
		t.Errorf("a row leads to %q, the problem is %q", id, p.ID)
	}
	for i := range r.Registries {
		p := *r.Registries[i].Error
		p.Hint = fmt.Sprint("do ", i)
		r.Registries[i].Error = &p
	}
	if v := look(r, now, false); len(v.Problems) != shown || v.Unshown != 2000-shown {
		t.Errorf("%d problems, and %d more", len(v.Problems), v.Unshown)
	}
}

func TestAProblemOfManyRegionsIsShownOnce(t *testing.T) {
	rows := []status.Registry{registry("111122223333", "us-east-1", status.Failing), registry("111122223333", "eu-west-1", status.Failing)}
	for i := range rows {
		rows[i].Error = &status.Problem{Reason: fault.Network, Message: rows[i].Region + " is away", Hint: "check com.amazonaws." + rows[i].Region}
	}
	v := look(report(rows...), now, false)
	if len(v.Problems) != 1 || v.Problems[0].Hint[0].Text != "check com.amazonaws.REGION" || v.Problems[0].Message != "us-east-1 is away" {
		t.Errorf("got %+v", v.Problems)
	}
	if v := look(report(rows[0]), now, false); v.Problems[0].Hint[0].Text != "check com.amazonaws.us-east-1" {
		t.Errorf("of one region: %+v", v.Problems)
	}
	rows[0].Error.Hint, rows[1].Error.Hint = "", ""
	rows[1].Error.Message = "something else"
	if v := look(report(rows...), now, false); len(v.Problems) != 2 {
		t.Errorf("without hints: %+v", v.Problems)
	}
}

func TestManyHostsAreShownWhenAllAreAskedFor(t *testing.T) {
	render := func(all bool) (string, int) {
		var b bytes.Buffer
		if err := render(&b, states()["many"], now, all); err != nil {
			t.Fatal(err)
		}
		return b.String(), strings.Count(b.String(), `role="rowheader"`)
	}
	few, rows := render(false)
	if rows != 5+first || len(few) > 100<<10 || !strings.Contains(few, `1,945 more registries like these. <a href="?all">`) {
		t.Errorf("%d rows in %d bytes", rows, len(few))
	}
	if all, rows := render(true); rows != 2000 || strings.Contains(all, `"?all"`) || !strings.Contains(all, `data-every="60"`) {
		t.Errorf("%d rows of all", rows)
	}
}

func TestTheDayInWords(t *testing.T) {
	tests := []struct{ letters, words, last string }{
		{"", "Last 24 hours: no data yet.", "no data yet"},
		{"oooo", "Since 13:45: well.", ""},
		{strings.Repeat("o", 96), "Last 24 hours: well.", ""},
		{"oroo", "Since 13:45: renewal failed from 14:00 to 14:15.", "renewal failed 14:00 to 14:15"},
		{"oteep", "Since 13:30: a target failed from 13:45 to 14:00; no valid token from 14:00 to 14:30; waited from 14:30 to now.", "no valid token 14:00 to 14:30"},
		{strings.Repeat("to", 48), "Last 24 hours: much change; of late; a target failed from 10:45 to 11:00; a target failed from 11:15 to 11:30; ", "a target failed 14:15 to 14:30"},
	}
	for _, tt := range tests {
		d := dayOf(tt.letters, time.Time{}, now, false)
		if d.Last != tt.last || !strings.HasPrefix(d.Words, strings.TrimSuffix(tt.words, "; ")) {
			t.Errorf("%s: %q, %q", tt.letters, d.Words, d.Last)
		}
	}
	if got := dayOf("oot", time.Time{}, now, false).Runs; !reflect.DeepEqual(got, []run{{"o", 93, 2, 9, 3}, {"t", 95, 1, 6, 6}}) {
		t.Errorf("runs %+v", got)
	}
}

// A strip does not contradict its row, nor begin before the program.
func TestTheDayFitsTheRow(t *testing.T) {
	if d := dayOf("t", now.Add(-2*time.Minute), now, true); d.Last != "a target failed 14:33 to a moment ago" {
		t.Errorf("got %q", d.Last)
	}
	if d := dayOf("t", now.Add(-2*time.Minute), now, false); d.Last != "a target failed 14:33 to now" {
		t.Errorf("got %q", d.Last)
	}
}

func TestWhatAPersonTypesIsCode(t *testing.T) {
	tests := []struct{ hint, want string }{
		{"see `df -h /var`, then wait", "see [df -h /var], then wait"},
		{`allow "ecr:GetAuthorizationToken" on "*"`, "allow [ecr:GetAuthorizationToken] on [*]"},
		{`delete the key "a\"b"`, `delete the key [a"b]`},
		{"others read it: chmod 600 '/a; b/c'; or move it", "others read it: [chmod 600 '/a; b/c']; or move it"},
		{"take it out there: sudo podman logout --authfile /x host", "take it out there: [sudo podman logout --authfile /x host]"},
		{`an open " and ` + "`", `an open " and ` + "`"},
		{"make room: df -h /srv/x; df -i /srv/x", "make room: [df -h /srv/x]; [df -i /srv/x]"},
		{"chmod is a word", "chmod is a word"},
	}
	for _, tt := range tests {
		var b strings.Builder
		for _, p := range inParts(tt.hint) {
			if p.Code {
				p.Text = "[" + p.Text + "]"
			}
			b.WriteString(p.Text)
		}
		if b.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.hint, &b, tt.want)
		}
	}
}

func TestSpansAreAsExactAsPeopleWantThem(t *testing.T) {
	for d, want := range map[time.Duration]string{41 * time.Second: "41 s", 12*time.Minute + 59*time.Second: "12 min", 5 * time.Hour: "5 h",
		5*time.Hour + 59*time.Minute: "5 h 59 min", 49 * time.Hour: "2 days"} {
		if got := span(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestHandlerSetsAStrictPolicy(t *testing.T) {
	s := httptest.NewServer(New(func() status.Report { return states()["failing"] }))
	defer s.Close()
	get := func(method, path string) (*http.Response, string) {
		req, _ := http.NewRequest(method, s.URL+path, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return resp, b.String()
	}
	resp, body := get("GET", "/")
	p := resp.Header.Get("Content-Security-Policy")
	if resp.StatusCode != 200 || !strings.HasPrefix(p, "default-src 'none'; ") || strings.Contains(p, "unsafe") || strings.Contains(p, "http") {
		t.Errorf("%s: %s", resp.Status, p)
	}
	for tag, rule := range map[string]string{"style": "style-src ", "script": "script-src "} {
		m := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(body, -1)
		if len(m) != 1 || !strings.Contains(p, rule+hash(m[0][1])+";") {
			t.Errorf("%d elements %s, of which the policy has not the hash", len(m), tag)
		}
	}
	if outside := regexp.MustCompile(`(src|href)="(https?:|//)`).FindString(body); outside != "" {
		t.Errorf("the page loads from outside: %s", outside)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Resource-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if resp, body := get("HEAD", "/"); resp.StatusCode != 200 || body != "" || resp.Header.Get("Content-Security-Policy") != p {
		t.Errorf("HEAD: %s, %q", resp.Status, body)
	}
	if resp, _ := get("GET", "/other"); resp.StatusCode != 404 {
		t.Errorf("another path: %s", resp.Status)
	}
}

// unread is a client that takes the answer when it may.
type unread struct {
	*httptest.ResponseRecorder
	texts chan<- *byte
	read  <-chan struct{}
}

func (u unread) Write(p []byte) (int, error) {
	u.texts <- &p[0]
	<-u.read
	return len(p), nil
}

func TestACrowdOfSlowBrowsersHoldsOnePage(t *testing.T) {
	for _, path := range []string{"/", "/?all"} {
		synctest.Test(t, func(t *testing.T) {
			made := 0
			h := New(func() status.Report { made++; return states()["failing"] })
			texts, read := make(chan *byte), make(chan struct{})
			held := make(map[*byte]bool)
			for range 128 {
				go h.ServeHTTP(unread{httptest.NewRecorder(), texts, read}, httptest.NewRequest("GET", path, nil))
				held[<-texts] = true
			}
			if made != crowd.Alone || len(held) != crowd.Alone {
				t.Errorf("%s: made %d times, %d held at once", path, made, len(held))
			}
			close(read)
		})
	}
}
