package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a page may take to show what is waited for.
const patience = 20 * time.Second

// tab is one window of a browser that is watched for foreign requests and complaints.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	requests []string
	faults   []string
}

// chromium finds the browser; its absence is a failure that names the package.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium was found in PATH; install it: apt-get install -y chromium")
	return ""
}

// look is how a window looks at the pages.
type look struct {
	width, height int64
	scheme        string // light or dark
	noScript      bool
}

// watch starts a browser with one window.
func watch(t *testing.T, base string, l look) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 { // Chromium's own sandbox refuses root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		stop()
	})
	b := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("listen to the browser: %v", err)
	}
	b.do("set up the window", chromedp.EmulateViewport(l.width, l.height))
	call(b, emulationMedia(l.scheme))
	call(b, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
		return err
	})
	call(b, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
		return err
	})
	if l.noScript {
		call(b, func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		})
	}
	return b
}

// open starts a browser with one window whose complaints fail the journey.
func open(t *testing.T, base string, l look) *tab {
	t.Helper()
	b := watch(t, base, l)
	t.Cleanup(b.judge)
	return b
}

func emulationMedia(scheme string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}
}

func call(b *tab, f func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := f(ctx); err != nil {
		b.t.Fatalf("speak to the window: %v", err)
	}
}

// hear notes every request and every complaint of the browser.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.faults = append(b.faults, fmt.Sprintf("console: %s %v", e.Type, e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.faults = append(b.faults, fmt.Sprintf("log: %s (%s)", e.Entry.Text, e.Entry.URL))
		}
	}
}

// forgive drops the browser's complaints about an answer that the journey meant to get.
func (b *tab) forgive(status string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = slices.DeleteFunc(b.faults, func(f string) bool { return strings.Contains(f, "status of "+status) })
}

// complaints are the requests to other hosts and what the browser complained of.
func (b *tab) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	if len(b.requests) == 0 {
		out = append(out, "no request was seen: the browser is not being watched")
	}
	for _, r := range b.requests {
		u, err := url.Parse(r)
		if err != nil || u.Scheme != "data" && !strings.HasPrefix(r, b.base+"/") {
			out = append(out, fmt.Sprintf("the page asked for %s, which is not at %s", r, b.base))
		}
	}
	for _, f := range b.faults {
		out = append(out, "the browser complains: "+f)
	}
	return out
}

// judge fails the journey when the browser asked another host or complained.
func (b *tab) judge() {
	for _, c := range b.complaints() {
		b.t.Error(c)
	}
}

// do runs a step with a deadline; a step that fails leaves a picture of the page.
func (b *tab) do(what string, step chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, step); err != nil {
		b.fail("%s: %v", what, err)
	}
}

func (b *tab) fail(format string, args ...any) {
	b.t.Helper()
	b.shot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
	b.t.Fatalf(format, args...)
}

// visit goes to a path of the platform, or to a whole address.
func (b *tab) visit(to string) {
	b.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = b.base + to
	}
	b.do("go to "+to, chromedp.Navigate(to))
}

// eval asks the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.fail("evaluate %s: %v", expression, err)
	}
	return v
}

// until waits for an expression of the page to become true. A page that goes away under the question is asked again
// when the next one is there.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](expression))
		if err == nil {
			return
		}
		if ctx.Err() != nil || !strings.Contains(err.Error(), "context") && !strings.Contains(err.Error(), "navigated") {
			b.fail("%s does not come about at %s: %v", what, eval[string](b, "location.href"), err)
		}
	}
}

// click clicks what the selector finds first.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// key presses one key as a keyboard does, so that a page may keep it from being typed.
func (b *tab) key(name string) {
	b.t.Helper()
	call(b, func(ctx context.Context) error {
		down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: name, Text: name}
		if _, err := chromedp.Call(ctx, input.DispatchKeyEvent, down); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: name})
		return err
	})
}

// reads waits until the page's text has all of the words.
func (b *tab) reads(words ...string) {
	b.t.Helper()
	for _, w := range words {
		b.until(fmt.Sprintf("the text %q", w), fmt.Sprintf(`document.body.innerText.replace(/[\s\u00a0\u202f]+/g, " ").includes(%q)`, w))
	}
}

// text is what the page says, with single spaces.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q).innerText.replace(/[\s\u00a0\u202f]+/g, " ").trim()`, selector))
}

// at waits until the address has the path and the parameters.
func (b *tab) at(path string, params map[string]string) {
	b.t.Helper()
	b.until("the address "+path, fmt.Sprintf(`location.pathname === %q`, path))
	for k, v := range params {
		b.until(fmt.Sprintf("%s=%s in the address", k, v), fmt.Sprintf(`(new URLSearchParams(location.search).get(%q) || "") === %q`, k, v))
	}
}

// shot writes a picture of the whole page.
func (b *tab) shot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Errorf("take the picture %s: %v", name, err)
		return
	}
	if err := os.MkdirAll("screenshots", 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("screenshots", name+".png"), picture, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// signIn opens the one-time link and waits for the console.
func (b *tab) signIn(p *platform) {
	b.t.Helper()
	b.visit(p.link(b.t))
	b.at("/", nil)
	b.reads("Projects")
	b.until("the scripts", `document.readyState === "complete"`)
}
