package page

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
)

// chosen serves one report after the other through New.
type chosen struct {
	report atomic.Pointer[status.Report]
	asked  atomic.Int32
	change *strings.Replacer // of the document; nil for none
}

func (c *chosen) set(r status.Report) { c.report.Store(&r) }

func (c *chosen) handler() http.Handler {
	page := New(func() status.Report { return *c.report.Load() })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			c.asked.Add(1)
		}
		kept := httptest.NewRecorder()
		page.ServeHTTP(kept, r)
		maps.Copy(w.Header(), kept.Header())
		w.Header().Del("Content-Length") // the change makes another
		w.WriteHeader(kept.Code)
		body := kept.Body.String()
		if c.change != nil {
			body = c.change.Replace(body)
		}
		_, _ = w.Write([]byte(body))
	})
}

// soon is r with times that are right now, where the others are of a day in spring.
func soon(r status.Report) status.Report {
	d := time.Since(now)
	move := func(t *time.Time) *time.Time {
		if t == nil {
			return nil
		}
		moved := t.Add(d)
		return &moved
	}
	r.Registries = slices.Clone(r.Registries)
	for i := range r.Registries {
		h := &r.Registries[i]
		h.RefreshedAt, h.ExpiresAt, h.NextRefreshAt = move(h.RefreshedAt), move(h.ExpiresAt), move(h.NextRefreshAt)
	}
	return r
}

func TestChromium(t *testing.T) {
	b := startBrowser(t)
	for name, test := range map[string]func(*testing.T, *browser){
		"axe finds nothing": axeFindsNothing, "nothing that is injected runs": nothingInjectedRuns,
		"the page comes up to date in place": upToDateInPlace, "without JavaScript": withoutJavaScript,
		"hostile text is text": hostileTextIsText,
	} {
		t.Run(name, func(t *testing.T) { test(t, b) })
	}
}

func axeFindsNothing(t *testing.T, b *browser) {
	axe := file(t, "..", "..", "bin", "browser", "node_modules", "axe-core", "axe.min.js")
	all := states()
	all["hostile"] = hostile()
	for _, look := range []struct {
		name  string
		width int
		dark  bool
	}{{"desktop, light", 1280, false}, {"phone, dark", 390, true}} {
		p := b.tab(t, look.width, look.dark)
		for _, state := range slices.Sorted(maps.Keys(all)) {
			if state == "many" && look.dark || state == "broken" && !look.dark {
				continue // these take long, and differ little
			}
			t.Run(look.name+", "+state, func(t *testing.T) {
				p := p.in(t)
				p.open(serve(t, seen{now, all[state]}))
				var wide bool
				p.eval(`document.documentElement.scrollWidth > innerWidth`, &wide)
				if wide {
					t.Error("the page is wider than the window")
				}
				p.eval(axe+"; 0", nil)
				var found []struct {
					ID, Help string
					Nodes    []struct{ HTML, FailureSummary string }
				}
				p.eval(`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => r.violations)`, &found)
				for _, v := range found {
					t.Errorf("axe: %s: %s, %d times, such as %s: %s", v.ID, v.Help, len(v.Nodes), v.Nodes[0].HTML, v.Nodes[0].FailureSummary)
				}
			})
		}
	}
}

func nothingInjectedRuns(t *testing.T, b *browser) {
	const wicked = `<script>hit = 1</script><img src=x onerror="hit = 2"><style>h1 { color: #010203 }</style><p style="color: #010203" id=p>x</p>` +
		`<iframe src="javascript:parent.hit = 3"></iframe><a id=a href="javascript:hit = 4">x</a><form action="/"><button id=b>x</button></form></main>`
	c := &chosen{change: strings.NewReplacer("</main>", wicked)}
	c.set(states()["failing"])
	s := httptest.NewServer(c.handler())
	defer s.Close()
	p := b.tab(t, 1280, false)
	p.open(s.URL)
	var got struct {
		Hit, Injected, Own, Ours string
	}
	p.eval(`(document.getElementById("a").click(), document.getElementById("b").click(), {
		hit: String(globalThis.hit), injected: getComputedStyle(document.getElementById("p")).color,
		ours: getComputedStyle(document.querySelector("h1")).color, own: getComputedStyle(document.querySelector("h1")).fontWeight})`, &got)
	if got.Hit != "undefined" || got.Injected == "rgb(1, 2, 3)" || got.Ours == "rgb(1, 2, 3)" {
		t.Errorf("what was injected has an effect: %+v", got)
	}
	if got.Own != "600" {
		t.Errorf("the page's own style has none: %+v", got)
	}
	if n := c.asked.Load(); n != 1 {
		t.Errorf("the page was asked for %d times: the form was sent", n)
	}
}

func upToDateInPlace(t *testing.T, b *browser) {
	c := &chosen{change: strings.NewReplacer(`data-every="10"`, `data-every="0.02"`)}
	c.set(soon(states()["failing"]))
	s := httptest.NewUnstartedServer(c.handler())
	s.Start()
	address := s.Listener.Addr().String()
	p := b.tab(t, 1280, false)
	p.resize(1280, 300)
	p.open(s.URL)
	// A reader has scrolled down to a link of the row of 1111…, and selected its host.
	p.eval(`(() => {
		row = [...document.querySelectorAll("tbody tr")].find(r => r.textContent.includes("eu-central-1"));
		row.querySelector("a").focus();
		getSelection().selectAllChildren(row.querySelector("bdi"));
		scrollTo(0, 700);
	})()`, nil)
	var before, after struct {
		Focus, Selected string
		Scroll          float64
		Same            bool
	}
	const place = `({focus: document.activeElement.textContent, selected: String(getSelection()), scroll: scrollY, same: row.isConnected})`
	p.eval(place, &before)
	if before.Focus == "" || before.Selected == "" || before.Scroll != 700 || !before.Same {
		t.Fatalf("the reader's place: %+v", before)
	}
	next := soon(states()["failing"])
	next.Registries = slices.Insert(next.Registries, 2, registry("555566667777", "us-east-1", status.Fresh))
	next.Registries[1].Host = "888899990000.dkr.ecr.us-east-1.amazonaws.com"
	c.set(next)
	p.until(`document.querySelector("h1").textContent.includes("of 6")`)
	p.eval(place, &after)
	if after != before {
		t.Errorf("the reader's place was %+v and is %+v", before, after)
	}
	c.set(soon(report(registry("111122223333", "us-east-1", status.Fresh))))
	p.until(`document.title.startsWith("All well") && document.getElementById("icon").href.includes("circle") && !document.querySelector("article")`)

	s.Close()
	p.until(`!document.getElementById("stale").hidden && /since \d/.test(document.getElementById("stale").innerText)`)
	again := listenAgain(t, address, c)
	p.until(`document.getElementById("stale").hidden`)

	again.Close()
	upgraded := &chosen{change: strings.NewReplacer("--paper: #fbfbf9", "--paper: #fbfbf8")}
	upgraded.set(states()["fresh"])
	loaded := p.event("Page.loadEventFired")
	listenAgain(t, address, upgraded)
	p.await(loaded, "load of the page of another version")
}

// listenAgain serves c at an address at which nobody listens any longer.
func listenAgain(t *testing.T, address string, c *chosen) *http.Server {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: c.handler()}
	go func() { _ = s.Serve(listener) }()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func withoutJavaScript(t *testing.T, b *browser) {
	c := &chosen{change: strings.NewReplacer(`http-equiv="refresh" content="30"`, `http-equiv="refresh" content="1"`)}
	c.set(soon(states()["failing"]))
	s := httptest.NewServer(c.handler())
	defer s.Close()
	p := b.tab(t, 1280, false)
	p.do("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	p.open(s.URL)
	c.set(soon(states()["fresh"]))
	deadline := time.Now().Add(patience)
	for { // each turn awaits a load of the page
		p.await(p.event("Page.loadEventFired"), "second load")
		var root struct{ Root struct{ NodeID int } }
		var outer struct{ OuterHTML string }
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		// The next load may have begun, which is an error.
		if b.call(ctx, p.session, "DOM.getDocument", nil, &root) == nil {
			_ = b.call(ctx, p.session, "DOM.getOuterHTML", map[string]any{"nodeId": root.Root.NodeID}, &outer)
		}
		cancel()
		if strings.Contains(outer.OuterHTML, "Everything is well: 3 registries are logged in.") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the page stays as it was:\n%s", outer.OuterHTML)
		}
	}
}

// hostile is a report whose every text wants to be more than text.
func hostile() status.Report {
	const wicked = `<script>hit = 1</script><img src=x onerror="hit=2">'"}};hit=3;//` + "\u202egnp.exe\u2066\x1b[31mred\x1b]8;;http://x\x07\x00\u200b\ufeff\xff" + `</style></script><!--{{.}}`
	problem := func(at time.Duration) *status.Problem {
		return &status.Problem{Reason: fault.Reason(wicked), Message: wicked + strings.Repeat("w", 500), Hint: "`" + wicked + "` \"" + wicked + `"`, At: *in(at)}
	}
	h := registry("111122223333", "us-east-1", status.State(`fresh" onload="hit=4`))
	h.Host, h.Identity, h.Error, h.LastDay = wicked+strings.Repeat("h", 300), wicked, problem(-time.Minute), `"><script>hit=5</script>`
	h.Targets = []status.Target{{Name: wicked, Type: wicked, State: status.State(wicked), Error: problem(-time.Hour), Warning: wicked}}
	r := report(h, h)
	r.Version, r.Config.Path = wicked, wicked
	r.Config.Error, r.Socket.Error = problem(0), problem(0)
	return r
}

func hostileTextIsText(t *testing.T, b *browser) {
	p := b.tab(t, 390, false)
	p.open(serve(t, seen{now, hostile()}))
	var got struct {
		Hit      string
		Scripts  int
		Elements []string
		Text     string
		Handlers int
	}
	p.eval(`({hit: String(globalThis.hit), scripts: document.scripts.length,
		elements: [...new Set([...document.querySelectorAll("body *")].map(e => e.localName))].sort(),
		handlers: [...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length,
		text: document.documentElement.textContent + [...document.querySelectorAll("*")].flatMap(e => [...e.attributes].map(a => a.value)).join()})`, &got)
	if got.Hit != "undefined" || got.Scripts != 1 || got.Handlers != 0 || slices.Contains(got.Elements, "img") {
		raw, _ := json.Marshal(got.Elements)
		t.Errorf("hit %s, %d scripts, %d handlers, elements %s", got.Hit, got.Scripts, got.Handlers, raw)
	}
	if strings.ContainsAny(got.Text, "\u202e\u2066\x1b\x00\u200b\ufeff\x07") {
		t.Error("characters that cannot be seen are in the page")
	}
	if !strings.Contains(got.Text, `<script>hit = 1</script>`) {
		t.Error("the text itself is not")
	}
}
