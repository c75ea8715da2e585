package auth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// watch is a clock that is set by hand, and what was logged.
type watch struct {
	at time.Time
	bytes.Buffer
}

func (w *watch) now() time.Time { return w.at }

func (w *watch) pass(d time.Duration) { w.at = w.at.Add(d) }

func fresh(t *testing.T) (*Auth, *store.DB, *watch) {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &watch{at: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	a, err := New(t.Context(), db, slog.New(slog.NewTextHandler(w, nil)), w.now)
	if err != nil {
		t.Fatal(err)
	}
	return a, db, w
}

const password = "correct horse battery"

var quiet = slog.New(slog.DiscardHandler)

var home = netip.MustParseAddr("192.0.2.1")

func TestSetup(t *testing.T) {
	a, db, _ := fresh(t)
	if a.IsSecured() {
		t.Fatal("there is nobody yet")
	}
	old := a.Link()
	link := a.Link()
	for _, bad := range []string{"", "x", old} {
		if _, err := a.Setup(t.Context(), bad, "ada", password); !errors.Is(err, ErrLink) {
			t.Errorf("with %q: %v", bad, err)
		}
	}
	var input *InputError
	for _, bad := range [][2]string{{"", password}, {"ada ", password}, {"a\nb", password}, {"ada", "short"}, {"administrator", "Administrator"}, {"ada", "aaaaaaaaaaaaaa"}, {"ada", "bad\xffutf-8 text"}} {
		if _, err := a.Setup(t.Context(), link, bad[0], bad[1]); !errors.As(err, &input) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	cookie, err := a.Setup(t.Context(), link, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := a.Session(t.Context(), cookie); err != nil || id.Name != "ada" || id.Role != Admin {
		t.Errorf("%+v, %v", id, err)
	}
	if !a.IsSecured() || a.Link() != "" {
		t.Error("the door is still open")
	}
	if _, err := a.Setup(t.Context(), link, "eve", password); !errors.Is(err, ErrLink) {
		t.Errorf("the link was used twice: %v", err)
	}
	again, err := New(t.Context(), db, quiet, nil)
	if err != nil || !again.IsSecured() {
		t.Errorf("after a start: %v", err)
	}
}

func TestSessions(t *testing.T) {
	a, db, clock := fresh(t)
	if err := a.AddUser(t.Context(), "console", "ada", password, Viewer); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Login(t.Context(), home, "ada", password+"!"); !errors.Is(err, ErrDenied) {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := a.Login(t.Context(), home, "eve", password); !errors.Is(err, ErrDenied) {
		t.Errorf("as nobody: %v", err)
	}
	login := func() string {
		t.Helper()
		c, err := a.Login(t.Context(), home, "ada", password)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alive := func(c string) bool {
		t.Helper()
		_, err := a.Session(t.Context(), c)
		if err != nil && !errors.Is(err, ErrDenied) {
			t.Fatal(err)
		}
		return err == nil
	}
	first, second := login(), login()
	one, _ := a.Session(t.Context(), first)
	two, _ := a.Session(t.Context(), second)
	if one.CSRF == "" || one.CSRF == two.CSRF || !one.Repeats(one.CSRF) || one.Repeats(two.CSRF) || one.Repeats("") || new(Identity).Repeats("") {
		t.Errorf("%+v and %+v", one, two)
	}
	clock.pass(SessionIdle - time.Hour)
	if !alive(first) {
		t.Error("a session ended too early")
	}
	clock.pass(2 * time.Hour)
	if !alive(first) || alive(second) {
		t.Error("one session was used lately, the other was not")
	}
	for range 5 {
		clock.pass(SessionIdle - time.Hour)
		alive(first)
	}
	if alive(first) {
		t.Error("a session lasts for ever")
	}
	third, fourth := login(), login()
	if err := a.Logout(t.Context(), third); err != nil || alive(third) || !alive(fourth) {
		t.Errorf("after logging out of one: %v", err)
	}
	if err := a.SetPassword(t.Context(), "console", "ada", password+" 2"); err != nil || alive(fourth) {
		t.Errorf("a session outlived the password: %v", err)
	}
	var n int
	if err := db.Read().QueryRow(`SELECT count(*) FROM sessions`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d sessions are left, %v", n, err)
	}
	var text string
	if err := db.Read().QueryRow(`SELECT password FROM users`).Scan(&text); err != nil || !strings.HasPrefix(text, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLoginLimit(t *testing.T) {
	a, _, clock := fresh(t)
	if err := a.AddUser(t.Context(), "console", "ada", password, Viewer); err != nil {
		t.Fatal(err)
	}
	// What a login costs is not at stake here.
	cheap, _ := a.hash(t.Context(), password)
	cheap = strings.Replace(cheap, "m=19456", "m=8", 1)
	if err := a.db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(`UPDATE users SET password = ?`, cheap); return err }); err != nil {
		t.Fatal(err)
	}
	var limit *LimitError
	try := func(from string) error {
		_, err := a.Login(t.Context(), netip.MustParseAddr(from), "ada", "wrong password")
		return err
	}
	for i := range 10 {
		if err := try("2001:db8::1"); !errors.Is(err, ErrDenied) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	if err := try("2001:db8::2"); !errors.As(err, &limit) || limit.Seconds() < 30 || limit.Seconds() > 60 {
		t.Errorf("a neighbour in the same network: %v", err)
	}
	if err := try("2001:db9::1"); !errors.Is(err, ErrDenied) {
		t.Errorf("another network: %v", err)
	}
	clock.pass(time.Minute)
	if err := try("2001:db8::1"); !errors.Is(err, ErrDenied) {
		t.Errorf("after a minute one more is allowed: %v", err)
	}
	if err := try("2001:db8::1"); !errors.As(err, &limit) {
		t.Errorf("and then none: %v", err)
	}
	for i := 0; ; i++ {
		err := try(netip.AddrFrom4([4]byte{10, byte(i / 4), 0, 1}).String())
		if errors.As(err, &limit) {
			if i < 30 || i > 50 {
				t.Errorf("after %d attempts from many places the name is closed", i)
			}
			break
		}
		if i > 60 {
			t.Fatal("a name is open to any number of places")
		}
	}
}

func TestLimiterForgets(t *testing.T) {
	w := &watch{at: time.Unix(1e9, 0)}
	l := NewLimiter(2, 10*time.Second, w.now)
	for i := range 3 * maxKeys {
		if err := l.Take(fmt.Sprint("address ", i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.keys) > maxKeys {
		t.Errorf("%d keys are remembered", len(l.keys))
	}
	if err := errors.Join(l.Take("a", 1), l.Take("a", 1)); err != nil {
		t.Error(err)
	}
	if l.Take("a", 1) == nil {
		t.Error("a third was allowed")
	}
	if err := l.Take("a", 1.5); err != nil {
		t.Errorf("a wider limit: %v", err)
	}
	l.Give("a")
	w.pass(-time.Hour)
	if l.Take("a", 1) == nil {
		t.Error("a clock that is set back lets one in")
	}
	w.pass(time.Hour + 5*time.Second)
	if err := l.Take("a", 1); err != nil {
		t.Error(err)
	}
	l.Give("a")
	if err := l.Take("a", 1); err != nil || l.Take("a", 1) == nil {
		t.Errorf("of two one was taken back: %v", err)
	}
	l.Forget("a")
	if err := errors.Join(l.Take("a", 1), l.Take("a", 1)); err != nil {
		t.Error(err)
	}
	w.pass(sweepStep)
	if err := l.Take("b", 1); err != nil || len(l.keys) != 1 {
		t.Errorf("%d keys are remembered, and all but one have drained: %v", len(l.keys), err)
	}
}

// TestLoginNames tries names of a size that no one has: none of them is remembered, and all count for the address.
func TestLoginNames(t *testing.T) {
	a, _, _ := fresh(t)
	var limit *LimitError
	for i := range 12 {
		_, err := a.Login(t.Context(), home, fmt.Sprint(strings.Repeat("x", 255<<10), i), password)
		if ok := errors.Is(err, ErrDenied); ok != (i < 10) || !ok && !errors.As(err, &limit) {
			t.Errorf("attempt %d: %v", i, err)
		}
	}
	held := 0
	for k := range a.logins.keys {
		held += len(k)
	}
	if held > 1000 {
		t.Errorf("%d bytes are remembered of names", held)
	}
}

// TestLoginAtOnce tries many passwords at a time: no more of them are looked at than of those that come one after the other.
func TestLoginAtOnce(t *testing.T) {
	a, _, _ := fresh(t)
	if err := a.AddUser(t.Context(), "console", "ada", password, Viewer); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 100)
	var all sync.WaitGroup
	a.hashes <- struct{}{} // until all have come
	for i := range errs {
		all.Go(func() { _, errs[i] = a.Login(t.Context(), home, "ada", fmt.Sprint("wrong password ", i)) })
	}
	time.Sleep(100 * time.Millisecond)
	<-a.hashes
	all.Wait()
	denied := 0
	var limit *LimitError
	for _, err := range errs {
		if errors.Is(err, ErrDenied) {
			denied++
		} else if !errors.As(err, &limit) {
			t.Error(err)
		}
	}
	if denied != 10 {
		t.Errorf("%d attempts at once were looked at, not 10", denied)
	}
	// Who gives up before the password was looked at has made no attempt, and right passwords are none either.
	a.logins.Forget("from " + home.String())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 12 {
		if _, err := a.Login(gone, home, "ada", password); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := a.Login(t.Context(), home, "ada", password); err != nil {
			t.Error(err)
		}
	}
	if v := a.logins.keys["user ada"]; a.logins.left(v, v.at) != 10 || len(a.logins.keys) != 1 {
		t.Errorf("%+v is remembered", a.logins.keys)
	}
}

// full is a database that cannot be written while it is on.
type full struct {
	DB
	on     bool
	writes int
}

func (f *full) Write(ctx context.Context, do func(*sql.Tx) error) error {
	f.writes++
	if f.on {
		return errors.New("the disk is full")
	}
	return f.DB.Write(ctx, do)
}

// TestUnwritable lets who has a session in while the database cannot be written, and says why nobody can log in.
func TestUnwritable(t *testing.T) {
	a, db, clock := fresh(t)
	if err := a.AddUser(t.Context(), "console", "ada", password, Operator); err != nil {
		t.Fatal(err)
	}
	cookie, err := a.Login(t.Context(), home, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	disk := &full{DB: db, on: true}
	a.db = disk
	clock.pass(2 * seenStep)
	for range 100 {
		if id, err := a.Session(t.Context(), cookie); err != nil || id.Name != "ada" || id.Role != Operator || !id.Repeats(csrf(cookie)) {
			t.Fatalf("%+v, %v", id, err)
		}
	}
	if n := strings.Count(clock.String(), "the disk is full"); n != 1 || disk.writes != 1 {
		t.Errorf("of 100 requests %d are in the log, and %d tried to write:\n%s", n, disk.writes, clock)
	}
	for range 12 { // right passwords are no attempts to guess one
		if _, err := a.Login(t.Context(), home, "ada", password); !errors.Is(err, ErrUnwritable) || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("a login: %v", err)
		}
	}
	clock.pass(faultStep)
	if _, err := a.Session(t.Context(), cookie); err != nil || strings.Count(clock.String(), "the disk is full") != 2 {
		t.Errorf("after a minute: %v\n%s", err, clock)
	}
	disk.on = false
	clock.pass(faultStep)
	var seen int64
	if _, err := a.Session(t.Context(), cookie); err != nil {
		t.Error(err)
	}
	if err := db.Read().QueryRow(`SELECT seen FROM sessions`).Scan(&seen); err != nil || seen != clock.at.UnixNano() {
		t.Errorf("the last use was at %d, %v", seen, err)
	}
}

func TestTokens(t *testing.T) {
	a, db, clock := fresh(t)
	tok, text, err := a.AddToken(t.Context(), "console", "hass", Operator, time.Time{})
	if err != nil || !strings.HasPrefix(text, "ocellus_") || tok.Expires != nil {
		t.Fatalf("%+v, %v", tok, err)
	}
	if !a.IsSecured() {
		t.Error("a token locks the door too")
	}
	brief, short, err := a.AddToken(t.Context(), "console", "brief", Viewer, clock.at.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if id, err := a.Bearer(t.Context(), text); err != nil || id.Name != "token hass" || id.Role != Operator || id.CSRF != "" {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := a.Bearer(t.Context(), short); err != nil {
		t.Error(err)
	}
	clock.pass(time.Hour)
	if _, err := a.Bearer(t.Context(), short); !errors.Is(err, ErrDenied) {
		t.Errorf("it has expired: %v", err)
	}
	var held int
	if err := db.Read().QueryRow(`SELECT count(*) FROM tokens WHERE instr(hash, ?) > 0`, text).Scan(&held); err != nil || held != 0 {
		t.Errorf("the token itself is kept: %v", err)
	}
	if err := a.RemoveToken(t.Context(), "ada", tok.ID); err != nil {
		t.Error(err)
	}
	if err := a.RemoveToken(t.Context(), "ada", tok.ID); !errors.Is(err, ErrNoToken) {
		t.Error(err)
	}
	if _, err := a.Bearer(t.Context(), text); !errors.Is(err, ErrDenied) {
		t.Errorf("it was removed: %v", err)
	}
	if list, err := a.Tokens(t.Context()); err != nil || len(list) != 1 || list[0].ID != brief.ID || !list[0].Expires.Equal(*brief.Expires) {
		t.Errorf("%+v, %v", list, err)
	}
	var input *InputError
	for _, c := range []struct {
		name  string
		role  Role
		until time.Time
	}{{"", Viewer, time.Time{}}, {"x", Anyone, time.Time{}}, {"x", 9, time.Time{}}, {"x", Viewer, clock.at}} {
		if _, _, err := a.AddToken(t.Context(), "ada", c.name, c.role, c.until); !errors.As(err, &input) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestUsers(t *testing.T) {
	a, db, _ := fresh(t)
	add := func(name string, role Role) {
		t.Helper()
		if err := a.AddUser(t.Context(), "console", name, password, role); err != nil {
			t.Fatal(err)
		}
	}
	add("ada", Admin)
	add("grace", Operator)
	if err := a.AddUser(t.Context(), "console", "ada", password, Viewer); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	if err := a.RemoveUser(t.Context(), "grace", "ada"); !errors.Is(err, ErrLast) {
		t.Error(err)
	}
	add("lise", Admin)
	cookie, err := a.Login(t.Context(), home, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.RemoveUser(t.Context(), "lise", "ada"); err != nil {
		t.Error(err)
	}
	if _, err := a.Session(t.Context(), cookie); !errors.Is(err, ErrDenied) {
		t.Errorf("a session outlived its user: %v", err)
	}
	if err := errors.Join(a.RemoveUser(t.Context(), "lise", "nobody"), a.SetPassword(t.Context(), "lise", "nobody", password)); !errors.Is(err, ErrNoUser) {
		t.Error(err)
	}
	users, err := a.Users(t.Context())
	if err != nil || len(users) != 2 || users[0].Name != "grace" || users[0].Role != Operator || users[1].Role != Admin {
		t.Errorf("%+v, %v", users, err)
	}
	log, err := audit.List(t.Context(), db.Read(), 0, 2)
	if err != nil || log[0].Action != "user.remove" || log[0].Subject != "ada" || log[0].Actor != "lise" || log[1].Action != "user.add" {
		t.Errorf("%+v, %v", log, err)
	}
	if older, err := audit.List(t.Context(), db.Read(), log[1].ID, 10); err != nil || len(older) != 2 {
		t.Errorf("%+v, %v", older, err)
	}
}

func TestBrokenHash(t *testing.T) {
	a, _, _ := fresh(t)
	for _, h := range []string{"", "$", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=8,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA"} {
		if ok, err := a.matches(t.Context(), h, password); ok || err == nil {
			t.Errorf("%q: %v, %v", h, ok, err)
		}
	}
}

// TestCertificateThatFails takes the files of a certificate away, and the folder in which another is to be made: the one in force stays, and the log says why, once
// for each fault and day.
func TestCertificateThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	said := new(bytes.Buffer)
	log := slog.New(slog.NewTextHandler(said, nil))
	own, err := OpenCertificate("", "", dir, log)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	given, err := OpenCertificate(cert, key, "", log)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	look := func(c *Certificate, after time.Duration, logged int, texts ...string) {
		t.Helper()
		said.Reset()
		was := c.pair
		if p, err := c.get(now.Add(after)); err != nil || p != was {
			t.Errorf("after %s another certificate is in force, %v", after, err)
		}
		if n := strings.Count(said.String(), "level=ERROR"); n != logged {
			t.Errorf("after %s the log says %d times, not %d:\n%s", after, n, logged, said)
		}
		for _, text := range texts {
			if !strings.Contains(said.String(), text) {
				t.Errorf("after %s the log does not say %q:\n%s", after, text, said)
			}
		}
	}
	if err := os.WriteFile(key, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(key, now.Add(time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	look(given, 2*certCheck, 1, "cannot be read", "key.pem", "stays in force")
	look(given, 4*certCheck, 0)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	look(given, 6*certCheck, 1, "no such file")
	look(given, 8*certCheck, 0)
	look(given, 8*certCheck+certSay, 1, "no such file")
	if err := os.WriteFile(key, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := given.get(now.Add(10*certCheck + certSay)); err != nil || given.fault != "" {
		t.Errorf("whole files are not taken up: %q, %v", given.fault, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in which nothing can be made
		t.Fatal(err)
	}
	look(own, 2*certCheck, 1, "own certificate cannot be read or renewed", "until=")
}

func TestCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	said := new(bytes.Buffer)
	c, err := OpenCertificate("", "", dir, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	print := fingerprint(c.pair)
	if len(print) != 32*3-1 || strings.Count(said.String(), print) != 1 {
		t.Errorf("%s is not in the log once:\n%s", print, said)
	}
	if info, err := os.Stat(filepath.Join(dir, "key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	pair, err := c.Config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Error(err)
		}
	}
	same, err := OpenCertificate("", "", dir, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if fingerprint(same.pair) != print {
		t.Error("the next start made another certificate")
	}
	later := pair.Leaf.NotAfter.Add(-certRenew / 2)
	p, err := same.get(later)
	if err != nil || !p.Leaf.NotAfter.After(later.Add(certRenew)) {
		t.Errorf("one that is about to expire is kept: %v", err)
	}
	if strings.Count(said.String(), fingerprint(p)) != 1 {
		t.Errorf("%s, which came into force by itself, is not in the log once:\n%s", fingerprint(p), said)
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if healed, err := OpenCertificate("", "", dir, quiet); err != nil {
		t.Errorf("half of a pair: %v", err)
	} else if fingerprint(healed.pair) == print {
		t.Error("a certificate without its key is in force")
	}
	if _, err := OpenCertificate(filepath.Join(dir, "cert.pem"), "", dir, quiet); err == nil {
		t.Error("a certificate without a key was taken")
	}
	if _, err := OpenCertificate(filepath.Join(dir, "none.pem"), filepath.Join(dir, "key.pem"), dir, quiet); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a file that is not there: %v", err)
	}
}
