package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// chromium is the browser, with the one tab that all tests use, one after the other.
var chromium struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error

	mu     sync.Mutex
	faults []string // what went wrong in it
}

func TestMain(m *testing.M) {
	status := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(status)
}

// start starts the browser.
func start() {
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("lang", "en-GB"))...)
	ctx, stop := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	chromium.ctx, chromium.stop = ctx, func() { stop(); stopAlloc() }
	chromedp.ListenTarget(ctx, func(e any) {
		text := ""
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			text = e.ExceptionDetails.Error()
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				text = fmt.Sprint("console: ", e.Args)
			}
		case *cdplog.EventEntryAdded:
			// What the API refuses is said in the page; here only what the browser itself refuses.
			if e.Entry.Source == cdplog.SourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
				text = e.Entry.Text
			}
		}
		if text != "" {
			chromium.mu.Lock()
			chromium.faults = append(chromium.faults, text)
			chromium.mu.Unlock()
		}
	})
	chromium.err = chromedp.Run(ctx, cdplog.Enable())
}

// tab is the page in a real browser.
type tab struct {
	*testing.T
	ctx context.Context
	w   *world
}

// browse opens the tab in a size; the device answers at w.
func browse(t *testing.T, w *world, width, height int) *tab {
	t.Helper()
	chromium.once.Do(start)
	if chromium.err != nil {
		t.Fatalf("%s does not start: %v", program, chromium.err)
	}
	ctx, cancel := context.WithTimeout(chromium.ctx, 5*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t, ctx, w}
	b.do(chromedp.Navigate("about:blank"), network.ClearBrowserCookies(), chromedp.EmulateViewport(int64(width), int64(height)),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))
	chromium.mu.Lock()
	chromium.faults = nil
	chromium.mu.Unlock()
	t.Cleanup(func() {
		b.do(chromedp.Navigate("about:blank"))
		chromium.mu.Lock()
		defer chromium.mu.Unlock()
		for _, f := range chromium.faults {
			t.Errorf("in the browser: %s", f)
		}
	})
	return b
}

// program is where the browser is.
var program = func() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}()

// needsBrowser skips a test where no browser is.
func needsBrowser(t *testing.T) {
	t.Helper()
	if program == "" {
		t.Skip("no browser here: sudo apt-get install chromium")
	}
	if testing.Short() {
		t.Skip("the page is the same in each way of building: a browser looks at it once")
	}
}

func (b *tab) do(actions ...chromedp.Action) {
	b.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.picture("failed")
		b.Fatal(err)
	}
}

// picture writes what is seen to the folder that OCELLUS_PICTURES names.
func (b *tab) picture(name string) {
	dir := os.Getenv("OCELLUS_PICTURES")
	if dir == "" {
		return
	}
	var png []byte
	if err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot(&png)); err != nil {
		b.Log(err)
		return
	}
	name = strings.NewReplacer("/", "-", " ", "-").Replace(b.Name() + "-" + name)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o666); err != nil {
		b.Error(err)
	}
}

// run runs JavaScript in the page, and waits for what it promises.
func (b *tab) run(js string, into any) {
	b.Helper()
	b.do(chromedp.Evaluate(js, into, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// until waits until JavaScript is true. What looks into an element that is not there yet is not true yet.
func (b *tab) until(js string) {
	b.Helper()
	for range 1200 {
		var ok bool
		b.run("(() => { try { return Boolean("+js+"); } catch (e) { if (e instanceof TypeError) return false; throw e; } })()", &ok)
		if ok {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	var text string
	b.run("document.body.innerText", &text)
	b.picture("failed")
	b.Fatalf("never: %s\nThe page says:\n%s", js, text)
}

// says waits until the page shows a text.
func (b *tab) says(text string) {
	b.Helper()
	b.until(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// press presses the button, link or summary in the topmost window whose text or label is what is named.
func (b *tab) press(name string) {
	b.Helper()
	find := fmt.Sprintf(`[...([...document.querySelectorAll("dialog[open]")].pop() || document).querySelectorAll("button, a, summary")].find(
		(e) => e.checkVisibility() && e.getAttribute("aria-disabled") !== "true" && (e.getAttribute("aria-label") || e.innerText).trim() === %q)`, name)
	b.act(find, "click()")
}

// act waits for the element that JavaScript finds, and calls its methods before the page can draw another in its place.
func (b *tab) act(find string, calls ...string) {
	b.Helper()
	b.until("(e => e && (e." + strings.Join(calls, ", e.") + ", true))(" + find + ")")
}

// fillIn writes into a field, as somebody does who types.
func (b *tab) fillIn(selector, text string) {
	b.Helper()
	b.act(fmt.Sprintf("document.querySelector(%q)", selector), "focus()", "select()")
	b.do(input.InsertText(text))
}

// open goes to a place of the page, as the first user.
func (b *tab) open(place string) {
	b.Helper()
	if b.w.link != "" {
		cookie := b.w.join()
		b.w.link = ""
		b.do(network.SetCookie("ocellus", cookie).WithURL(b.w.server.URL).WithHTTPOnly(true).WithSameSite(network.CookieSameSiteStrict))
		b.do(chromedp.Navigate(b.w.server.URL + "/#/" + place))
	} else {
		b.run(fmt.Sprintf("location.hash = %q", "#/"+place), nil)
	}
	name, _, _ := strings.Cut(place, "/")
	name, _, _ = strings.Cut(name, "?")
	b.until(fmt.Sprintf("document.querySelector('.view.%s')?.children.length && document.querySelector('nav a[aria-current]')?.id === 'to-%s'", name, name))
}

func TestFirstStart(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	b := browse(t, w, 1280, 900)
	b.do(chromedp.Navigate(w.server.URL))
	b.says("one-time link")
	b.do(chromedp.Navigate(w.server.URL + "/?wrong#setup=wrong"))
	b.fillIn("input[name=user]", user)
	b.fillIn("input[name=password]", password)
	b.press("Begin")
	b.until("document.querySelector('[role=alert]').innerText.length > 10")
	b.do(chromedp.Navigate(w.server.URL + "/?right#setup=" + w.link))
	b.until("document.querySelector('[role=alert]')?.innerText === ''")
	b.fillIn("input[name=user]", user)
	b.fillIn("input[name=password]", "short")
	b.press("Begin")
	b.says("at least 10 characters")
	b.fillIn("input[name=password]", password)
	b.press("Begin")
	b.until("document.querySelector('.view.live')")
	b.until("!location.href.includes('setup')")

	b.act("document.querySelector('.account')", "click()")
	b.press("Log out")
	b.fillIn("input[name=user]", user)
	b.fillIn("input[name=password]", "not the password")
	b.press("Log in")
	b.until("document.querySelector('[role=alert]').innerText.length > 10")
	b.fillIn("input[name=password]", password)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelector('.view.live')")
	b.until("document.title === 'Live · Ocellus'")
}

// sum tells pictures apart that a camera's img shows.
const sum = `((name) => {
	const img = document.querySelector('article[aria-label="Camera ' + name + '"] .picture');
	if (!img?.naturalWidth) return 0;
	const c = new OffscreenCanvas(64, 48).getContext("2d");
	c.drawImage(img, 0, 0, 64, 48);
	return c.getImageData(0, 0, 64, 48).data.reduce((s, v, i) => (s * 31 + v) % 1000003, 7);
})`

func TestLive(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	b := browse(t, w, 1280, 900)
	b.open("live")
	for _, name := range []string{"door", "garden"} {
		b.until(sum + "('" + name + "') !== 0")
		b.run("globalThis.first = "+sum+"('"+name+"')", nil)
		b.until(sum + "('" + name + "') !== first")
	}
	b.says("connection refused")
	b.says("Scene (paused)")
	if n := w.Streams(); n < 2 {
		t.Errorf("%d streams", n)
	}
	b.picture("live")

	b.act(`document.querySelector('article[aria-label="Camera door"] .row button:last-child')`, "click()")
	b.until(`document.querySelector('article[aria-label="Camera door"] .row button:last-child').innerText.trim() === "Play"`)
	time.Sleep(time.Second)
	b.run("globalThis.first = "+sum+"('door')", nil)
	time.Sleep(time.Second)
	b.until(sum + "('door') === first && first !== 0")

	w.happen(store.Event{Kind: store.PedestrianEntered, Camera: "door", Zone: "porch"})
	b.says("Person entered porch")
	b.until("document.getElementById('news').innerText.includes('Person entered porch, door')")

	b.open("people")
	for n := 0; w.Streams() > 1; n++ { // that of events goes on
		if n > 200 {
			t.Fatalf("%d streams go on after the cameras were left", w.Streams())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestZones(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	b := browse(t, w, 1280, 900)
	b.open("live")
	b.act(`document.querySelector('article[aria-label="Camera door"] .row button')`, "click()")
	b.press("Add a line")
	b.press("Add a zone")
	b.fillIn("dialog li:last-child input", "Porch!")
	b.press("Save")
	b.says("lower case letters")
	b.fillIn("dialog li:last-child input", "porch")
	// The first corner with the keys, from 30 % to 32 %, and a new one between the first and the second.
	b.act("document.querySelector('.handle')", "focus()")
	b.do(chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	b.until("document.activeElement.getAttribute('aria-label').includes('32 %')")
	b.act("document.querySelector('.between')", "focus()")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelectorAll('.handle').length === 5")
	b.picture("zones")
	b.press("Save")
	b.until("!document.querySelector('dialog')")
	w.cameras.mu.Lock()
	defer w.cameras.mu.Unlock()
	if len(w.cameras.zones) != 1 || len(w.cameras.lines) != 1 || w.cameras.zones[0].Name != "porch" || len(w.cameras.zones[0].Points) != 5 || w.cameras.zones[0].Points[0] != [2]float64{0.32, 0.3} {
		t.Errorf("%+v %+v", w.cameras.zones, w.cameras.lines)
	}
}

func TestEvents(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	w.some()
	b := browse(t, w, 1280, 900)
	b.open("events")
	b.until("document.querySelectorAll('.event').length === 7")
	box := [4]float64{10, 100, 40, 60}
	e := w.happen(store.Event{Kind: store.PedestrianEntered, Camera: "garden", Task: "pedestrians", Zone: "lawn", Track: 9, Score: 0.66, Box: &box})
	b.until("document.querySelector('.event').innerText.includes('Person entered lawn')")
	b.picture("events")
	b.act("document.querySelector('.event a')", "click()")
	b.until("document.querySelector('dialog .snapshot rect')")
	b.says("66 %")
	b.until(fmt.Sprintf("location.hash === '#/events/%d'", e.ID))
	b.press("Wrong")
	b.says("Noted.")
	if got, err := w.Store.Event(t.Context(), e.ID); err != nil || got.Feedback != store.Wrong {
		t.Errorf("%+v %v", got, err)
	}
	b.press("The event before this one")
	b.says("91 %")
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.says("66 %")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("!document.querySelector('dialog') && document.activeElement.closest('.event')")
	b.until("document.querySelector('.event .badge')?.innerText.includes('Wrong')")

	b.run("(e => { e.value = 'loitering'; e.dispatchEvent(new Event('change', {bubbles: true})); })(document.querySelector('select[name=kind]'))", nil)
	b.until("document.querySelectorAll('.event').length === 1 && document.querySelector('.event').innerText.includes('stays in porch')")
	w.happen(store.Event{Kind: store.CameraFound, Camera: "yard"}) // is not asked for
	w.happen(store.Event{Kind: store.Loitering, Camera: "door"})
	b.until("document.querySelectorAll('.event').length === 2")
	b.press("Show all")
	b.until("document.querySelectorAll('.event').length === 10")

	b.open(fmt.Sprint("events/", e.ID))
	b.press("Delete")
	b.says("cannot be undone")
	b.press("Delete")
	b.says("Deleted.")
	if _, err := w.Store.Event(t.Context(), e.ID); err == nil {
		t.Error("the event is still there")
	}
	b.open(fmt.Sprint("events/", e.ID))
	b.says("not there any more")
}

func TestPeople(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	w.some()
	b := browse(t, w, 1280, 900)
	pic := filepath.Join(t.TempDir(), "ada.jpg")
	if err := os.WriteFile(pic, frame(0), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open("people")
	b.says("Nobody is known")
	b.fillIn("input[name=name]", "Ada Lovelace")
	b.do(chromedp.SetUploadFiles("form input[type=file][multiple]", []string{pic}, chromedp.ByQuery))
	b.until("document.querySelector('.previews img')?.naturalWidth === 320")
	b.press("Enrol")
	b.says("Ada Lovelace is known now.")
	b.until("document.querySelector('.person h3').innerText === 'Ada Lovelace'")
	b.do(chromedp.SetUploadFiles("form input[type=file]:not([multiple])", []string{pic}, chromedp.ByQuery))
	b.press("Look")
	b.until("document.querySelector('.snapshot rect') && document.querySelector('main').innerText.includes('Ada Lovelace · similarity 1.00')")
	b.picture("people")

	// From an event.
	b.act("document.querySelector('section[aria-labelledby=strangers] .event a')", "click()")
	b.fillIn("dialog input[name=name]", "Grace")
	b.press("Enrol")
	b.says("Grace is known now.")
	b.open("people")
	b.until("document.querySelectorAll('.person').length === 2")

	b.press("Forget Ada Lovelace")
	b.press("Cancel")
	b.press("Forget Ada Lovelace")
	b.says("nothing can bring it back")
	b.press("Forget")
	b.says("Ada Lovelace is forgotten.")
	b.until("document.querySelectorAll('.person').length === 1")
	list, err := w.People.List(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "Grace" {
		t.Errorf("%+v %v", list, err)
	}
}

// object is a JSON object.
type object = map[string]any

// lessons answers as after a lesson, with another that runs.
func (w *world) lessons() {
	table := []object{{"name": "person", "n": 20, "before": 82.5, "after": 95.0, "difference": object{"value": 12.5, "low": 4.1, "high": 20.2, "n": 20}},
		{"name": "background", "n": 31, "before": 90.0, "after": 90.0, "difference": object{"value": 0, "low": -2.5, "high": 2.5, "n": 31}}}
	w.answer("GET /api/v1/teach", object{"available": true, "labels": []string{"background", "person"}, "minimum": 10, "examples": object{"person": 14, "background": 12},
		"job": nil, "history": []object{{"id": 1, "time": time.Now(), "outcome": "published", "model": 2, "table": table}}})
	w.answer("POST /api/v1/teach/jobs", object{"id": 2})
	w.answer("DELETE /api/v1/teach/jobs/current", nil)
	w.answer("GET /api/v1/models", object{"models": []object{
		{"task": "second_opinion", "version": "1", "active": false, "time": time.Now(), "source": "what lessons began with", "figures": []object{}},
		{"task": "second_opinion", "version": "2", "active": true, "time": time.Now(), "source": "a lesson", "figures": table},
		{"task": "pedestrians", "version": "built-in", "active": true, "source": "the program's own", "sha256": "0123456789abcdef", "figures": []object{}}}})
	w.answer("POST /api/v1/models/second_opinion/activate", nil)
}

func TestTeach(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	b := browse(t, w, 1280, 900)
	b.open("teach")
	b.says("Teaching is not set up")
	w.lessons()
	b.says("Better, and in use")
	b.says("+12.5")
	b.picture("teach")
	b.press("Start a lesson")
	b.says("The lesson has begun.")
	w.answer("GET /api/v1/teach", object{"available": true, "labels": []string{"background", "person"}, "minimum": 10, "examples": object{"person": 14, "background": 12},
		"job": object{"id": 2, "state": "running", "begun": time.Now(), "progress": 0.4, "loss": 0.31, "left_s": 80}, "history": []object{}})
	b.says("40 %, about 1 min to go")
	b.until("document.querySelector('#job').closest('.card').querySelector('progress').value === 0.4")
	b.press("Stop")
	b.says("being stopped")
	w.answer("GET /api/v1/teach", object{"available": true, "labels": []string{"background", "person"}, "minimum": 10, "examples": object{"person": 14, "background": 12},
		"job": nil, "history": []object{{"id": 2, "time": time.Now(), "outcome": "refused", "reason": "it forgets", "table": []object{}}}})
	b.says("The lesson has ended. Not better: nothing changed.")
	b.says("It forgets.")

	b.open("models")
	b.says("Version 2")
	b.picture("models")
	b.press("Roll back to version 1 of Second opinion")
	b.says("version 1 is in use")
	for _, r := range []string{"POST /api/v1/teach/jobs", "DELETE /api/v1/teach/jobs/current", `POST /api/v1/models/second_opinion/activate {"version":"1"}`} {
		if !w.wasAsked(r) {
			t.Errorf("%s was not asked: %q", r, w.asked)
		}
	}
}

func TestSystem(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	b := browse(t, w, 1280, 900)
	b.open("system")
	for _, text := range []string{"60 ms", "120 ms", "40 %", "Waiting", "To be sent"} {
		b.says(text)
	}
	b.press("Users")
	b.fillIn("form[aria-label='Add a user'] input[name=name]", "bob")
	b.fillIn("form[aria-label='Add a user'] input[name=password]", "another long password")
	b.press("Add")
	b.says("bob · viewer")
	b.press("Tokens of programs")
	b.fillIn("form[aria-label='Make a token'] input[name=name]", "home")
	b.press("Make")
	b.says("shown this once")
	var secret string
	b.run("document.querySelector('dialog code').innerText", &secret)
	if who, err := w.Auth.Bearer(t.Context(), secret); err != nil || who.Name == "" {
		t.Errorf("the token that is shown: %v", err)
	}
	b.press("Close")
	b.press("Who did what")
	b.says("token.add")
	b.press("Settings")
	b.says("There is no file")
	b.picture("system")
}

// TestViewer shows that who may only look is offered nothing else.
func TestViewer(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	w.some()
	w.lessons()
	w.answer("GET /api/v1/session", object{"user": "eve", "role": "viewer", "csrf": "x", "setup": false})
	b := browse(t, w, 1280, 900)
	// The window of an event is closed just before the next place is gone to.
	for _, at := range []struct{ place, says string }{{"live", "connection refused"}, {"events/7", "91 %"}, {"people", "Nobody is known"}, {"events/7", "91 %"},
		{"teach", "Better"}, {"models", "Version 2"}, {"events/7", "91 %"}, {"system", "60 ms"}} {
		b.open(at.place)
		b.says(at.says)
		var found string
		b.run(`[...document.querySelectorAll("button, form")].map((e) => e.getAttribute("aria-label") || e.innerText.trim()).filter((t) => /Right|Wrong|Delete|Enrol|Forget|Zones|Events o|Start|Roll|Send|Users/.test(t)).join()`, &found)
		if found != "" {
			t.Errorf("%s offers %s", at.place, found)
		}
		b.do(chromedp.KeyEvent(kb.Escape))
	}
}

// TestKeyboard uses nothing else, from the login to a verdict.
func TestKeyboard(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	w.some()
	w.join()
	b := browse(t, w, 1280, 900)
	b.do(chromedp.Navigate(w.server.URL))
	b.until("document.activeElement.name === 'user'")
	b.do(input.InsertText(user), chromedp.KeyEvent(kb.Tab), input.InsertText(password), chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelector('.view.live')")
	b.until("document.querySelectorAll('.camera').length === 3")

	// tab goes to the element that a condition is true of, and asks of each on the way that one sees where one is. On the parts of a date Chromium itself shows it.
	tab := func(condition string) {
		t.Helper()
		for range 80 {
			b.do(chromedp.KeyEvent(kb.Tab))
			var at struct {
				Name  string
				Seen  bool
				There bool
			}
			b.run(`(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
				const name = e.getAttribute("aria-label") || e.innerText || e.tagName;
				return {Name: name, Seen: (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 || s.strokeWidth === "5px" || e.type === "date") && r.bottom > 0 && r.top < innerHeight, There: Boolean(`+condition+`)}; })()`, &at)
			if !at.Seen {
				b.picture("unseen")
				t.Errorf("the focus is on %q and cannot be seen", at.Name)
			}
			if at.There {
				return
			}
		}
		b.picture("failed")
		t.Fatalf("the Tab key does not lead to %s", condition)
	}
	b.run("document.activeElement.blur()", nil)
	tab("e.className === 'skip'")
	tab("e.id === 'to-events'")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelectorAll('.event').length === 7 && document.activeElement.tagName === 'H1'")
	tab("e.closest('.event')")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until("document.querySelector('dialog')?.contains(document.activeElement)")
	tab("e.innerText.trim() === 'Right'")
	b.do(chromedp.KeyEvent(" "))
	b.says("Noted.")
	for range 12 { // the focus stays in the window
		b.do(chromedp.KeyEvent(kb.Tab))
		b.until("document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)")
	}
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until("!document.querySelector('dialog') && document.activeElement.closest('.event')")
	if e, err := w.Store.Event(t.Context(), 7); err != nil || e.Feedback != store.Right {
		t.Errorf("%+v %v", e, err)
	}
	for _, place := range []string{"people", "teach", "models", "system", "live"} {
		b.act("document.querySelector('.skip')", "focus()")
		tab("e.id === 'to-" + place + "'")
		b.do(chromedp.KeyEvent(kb.Enter))
		b.until("document.querySelector('.view." + place + "')?.children.length")
	}
}

// places are all there are, with a text by which each is known to be whole.
var places = []struct{ place, text string }{{"live", "connection refused"}, {"events", "Scene changed"}, {"events/7", "91 %"}, {"events/2", "Vegetation"}, {"people", "Who is this?"}, {"teach", "Better, and in use"},
	{"models", "Send a network"}, {"system", "120 ms"}}

func TestNarrow(t *testing.T) {
	needsBrowser(t)
	w := newWorld(t)
	w.some()
	w.lessons()
	b := browse(t, w, 360, 640)
	for _, p := range places {
		b.open(p.place)
		b.says(p.text)
		b.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })", nil)
		time.Sleep(200 * time.Millisecond)
		b.picture(p.place)
		var wide []string
		b.run(`[document.documentElement, ...document.querySelectorAll("body *")].filter((e) => (e === document.documentElement || e.matches("main, dialog")) && e.scrollWidth > e.clientWidth ||
			e.checkVisibility() && !e.closest(".scroll, pre, .unseen, .skip") && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + "." + e.getAttribute("class"))`, &wide)
		if len(wide) > 0 {
			t.Errorf("%s is wider than the screen: %v", p.place, wide)
		}
		var small []string
		b.run(`[...document.querySelectorAll("button, nav a, input, select, summary")].filter((e) => e.checkVisibility() && !e.closest(".unseen, .skip")).filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.outerHTML.slice(0, 80))`, &small)
		if len(small) > 0 {
			t.Errorf("%s has things that a finger misses: %v", p.place, small)
		}
		b.run("document.querySelector('dialog')?.close()", nil)
	}
}

// axe is the checker of accessibility that .ci/setup fetches.
var axe = filepath.Join("..", "..", "..", "..", "out", "node", "node_modules", "axe-core", "axe.min.js")

func TestAxe(t *testing.T) {
	needsBrowser(t)
	source, err := os.ReadFile(axe)
	if err != nil {
		t.Skip("no axe-core here: .ci/setup fetches it where npm is")
	}
	w := newWorld(t)
	w.some()
	w.lessons()
	b := browse(t, w, 1280, 900)
	check := func(name string) {
		t.Helper()
		var loaded bool
		b.run("typeof axe !== 'undefined'", &loaded)
		if !loaded {
			b.run(string(source)+"; true", nil)
		}
		var found []struct {
			ID, Impact, Help string
			Nodes            []struct{ HTML, FailureSummary string }
		}
		var text string
		b.run(`axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`, &text)
		if err := json.Unmarshal([]byte(text), &found); err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			if v.Impact != "serious" && v.Impact != "critical" {
				t.Logf("%s: %s: %s (%s)", name, v.ID, v.Help, v.Impact)
				continue
			}
			t.Errorf("%s: %s: %s (%s)", name, v.ID, v.Help, v.Impact)
			for _, n := range v.Nodes {
				t.Logf("  %s\n  %s", n.HTML, n.FailureSummary)
			}
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
		for _, p := range places {
			b.open(p.place)
			b.says(p.text)
			b.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })", nil)
			if p.place == "system" {
				b.says("There is no file")
			}
			check(scheme + " " + p.place)
			b.picture(scheme + " " + p.place)
			b.run("document.querySelector('dialog')?.close()", nil)
		}
		b.open("live")
		b.act(`document.querySelector('article[aria-label="Camera door"] .row button')`, "click()")
		b.press("Add a zone")
		check(scheme + " zones")
		b.press("Cancel")
	}
	b.do(network.ClearBrowserCookies(), chromedp.Navigate(w.server.URL+"/?out"))
	b.until("document.querySelector('input[name=user]')")
	check("login")
}
