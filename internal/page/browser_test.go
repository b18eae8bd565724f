package page

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds whatever a test waits for.
const patience = time.Minute

// browser is a real Chromium without a window, steered over two pipes by the DevTools protocol.
type browser struct {
	cmd *exec.Cmd
	to  io.WriteCloser

	mu      sync.Mutex
	calls   map[int]chan reply
	last    int
	waiting map[wanted][]chan json.RawMessage
	gone    chan struct{} // closed when Chromium has ended
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

// wanted is an event of a tab.
type wanted struct{ session, method string }

// startBrowser starts Chromium, which ends with the test, or skips the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatal("there is no chromium: apt-get install chromium")
		}
		t.Skip("there is no chromium: apt-get install chromium")
	}
	toOut, toIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromOut, fromIn, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &browser{to: toIn, calls: make(map[int]chan reply), waiting: make(map[wanted][]chan json.RawMessage), gone: make(chan struct{})}
	// Chromium's sandbox refuses root, and /dev/shm is small in containers.
	b.cmd = exec.Command(program, "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-extensions", "--force-device-scale-factor=1",
		"--font-render-hinting=none", "--hide-scrollbars", "--lang=en-US", "--user-data-dir="+dir, "--remote-debugging-pipe", "about:blank")
	// Screenshots are the same on every machine that has this font.
	fonts := filepath.Join(dir, "fonts.conf")
	if err := os.WriteFile(fonts, []byte(`<fontconfig><dir>/usr/share/fonts</dir><cachedir>`+dir+`</cachedir>
<match><test name="family"><string>system-ui</string></test><edit name="family" mode="assign" binding="strong"><string>Inter</string></edit></match>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias></fontconfig>`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cmd.Env = append(os.Environ(), "HOME="+dir, "TZ=UTC", "FONTCONFIG_FILE="+fonts)
	b.cmd.ExtraFiles = []*os.File{toOut, fromIn}
	var said bytes.Buffer
	b.cmd.Stderr = &said
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toOut.Close()
	fromIn.Close()
	go b.listen(fromOut)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.call(ctx, "", "Browser.close", nil, nil)
		select {
		case <-b.gone:
		case <-ctx.Done():
			_ = b.cmd.Process.Kill()
		}
		_ = b.cmd.Wait()
		toIn.Close()
		if t.Failed() {
			for line := range strings.Lines(said.String()) {
				if !strings.Contains(line, "dbus/") { // it looks for a desktop
					t.Log("chromium said: ", line)
				}
			}
		}
	})
	return b
}

// listen hands out answers and events until Chromium ends.
func (b *browser) listen(from *os.File) {
	defer from.Close()
	defer close(b.gone)
	r := bufio.NewReader(from)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m struct {
			ID                int
			SessionID, Method string
			Params            json.RawMessage
			reply
		}
		if json.Unmarshal(bytes.TrimRight(raw, "\x00"), &m) != nil {
			continue
		}
		b.mu.Lock()
		if c := b.calls[m.ID]; m.ID != 0 && c != nil {
			delete(b.calls, m.ID)
			c <- m.reply
		}
		k := wanted{m.SessionID, m.Method}
		for _, c := range b.waiting[k] {
			c <- m.Params
		}
		delete(b.waiting, k)
		b.mu.Unlock()
	}
}

// call makes a call of the protocol and decodes its result into result, unless that is nil.
func (b *browser) call(ctx context.Context, session, method string, params, result any) error {
	answer := make(chan reply, 1)
	b.mu.Lock()
	b.last++
	id := b.last
	b.calls[id] = answer
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	raw, err := json.Marshal(message)
	if err == nil {
		_, err = b.to.Write(append(raw, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case a := <-answer:
		if a.Error != nil {
			return fmt.Errorf("%s: %s", method, a.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-b.gone:
		return errors.New(method + ": chromium has ended")
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// tab is one page of the browser.
type tab struct {
	t       *testing.T
	b       *browser
	session string
}

// tab opens a window of this size, with the dark or the light colours.
func (b *browser) tab(t *testing.T, width int, dark bool) *tab {
	t.Helper()
	var target struct{ TargetID string }
	var attached struct{ SessionID string }
	p := &tab{t: t, b: b}
	p.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	p.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.call(ctx, "", "Target.closeTarget", map[string]any{"targetId": target.TargetID}, nil)
	})
	p.do("Page.enable", nil, nil)
	p.do("Runtime.enable", nil, nil)
	p.resize(width, 800)
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}}}, nil)
	return p
}

// in is the tab for a part of its test.
func (p *tab) in(t *testing.T) *tab { return &tab{t, p.b, p.session} }

func (p *tab) resize(width, height int) {
	p.t.Helper()
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// do makes a call that must succeed.
func (p *tab) do(method string, params, result any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.b.call(ctx, p.session, method, params, result); err != nil {
		p.t.Fatal(err)
	}
}

// event returns a channel that gets the next event of the method.
func (p *tab) event(method string) <-chan json.RawMessage {
	c := make(chan json.RawMessage, 1)
	k := wanted{p.session, method}
	p.b.mu.Lock()
	p.b.waiting[k] = append(p.b.waiting[k], c)
	p.b.mu.Unlock()
	return c
}

func (p *tab) await(c <-chan json.RawMessage, what string) {
	p.t.Helper()
	select {
	case <-c:
	case <-p.b.gone:
		p.t.Fatalf("chromium ended before %s", what)
	case <-time.After(patience):
		p.t.Fatalf("no %s", what)
	}
}

// open goes to url and waits until it is loaded.
func (p *tab) open(url string) {
	p.t.Helper()
	loaded := p.event("Page.loadEventFired")
	p.do("Page.navigate", map[string]any{"url": url}, nil)
	p.await(loaded, "load of "+url)
}

// eval evaluates an expression, awaits what it promises, and decodes its value into value,
// unless that is nil.
func (p *tab) eval(expression string, value any) {
	p.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.do("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &got)
	if e := got.ExceptionDetails; e != nil {
		p.t.Fatalf("%s: %s", e.Text, e.Exception.Description)
	}
	if value != nil {
		if err := json.Unmarshal(got.Result.Value, value); err != nil {
			p.t.Fatalf("%s: %v", expression, err)
		}
	}
}

// until waits until the expression is true, looking after each change of the document.
func (p *tab) until(expression string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`new Promise((done, fail) => {
		const look = () => (%s) && (watch.disconnect(), done(true));
		const watch = new MutationObserver(look);
		watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
		setTimeout(() => fail(new Error("not within %s: " + document.body.innerText)), %d);
		look();
	})`, expression, patience, (patience-5*time.Second).Milliseconds()), nil)
}

// screenshot writes what the whole page looks like, up to a height.
func (p *tab) screenshot(path string, most int) {
	p.t.Helper()
	var size struct{ Width, Height int }
	p.eval(`({width: innerWidth, height: Math.ceil(document.body.getBoundingClientRect().bottom)})`, &size)
	var shot struct{ Data string }
	p.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true,
		"clip": map[string]any{"x": 0, "y": 0, "width": size.Width, "height": min(size.Height, most), "scale": 1}}, &shot)
	raw, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, raw, 0o644))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// file is the content of a file of the project that tests need and the Makefile fetches.
func file(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	raw, err := os.ReadFile(path)
	if err != nil {
		if os.Getenv("ECR_REFRESHD_NO_SKIP") != "" {
			t.Fatalf("%v: make browser", err)
		}
		t.Skipf("there is no %s: make browser", strings.TrimPrefix(path, "../../"))
	}
	return string(raw)
}
