package auth

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
)

// watch is a clock that is set by hand.
type watch struct{ at time.Time }

func (w *watch) now() time.Time { return w.at }

func (w *watch) pass(d time.Duration) { w.at = w.at.Add(d) }

func fresh(t *testing.T) (*Auth, *store.DB, *watch) {
	t.Helper()
	db, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &watch{time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	a, err := New(t.Context(), db, w.now)
	if err != nil {
		t.Fatal(err)
	}
	return a, db, w
}

const password = "correct horse battery"

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
	again, err := New(t.Context(), db, nil)
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
	w := &watch{time.Unix(1e9, 0)}
	l := NewLimiter(2, 10*time.Second, w.now)
	for i := range 3 * maxKeys {
		l.Count(fmt.Sprint("address ", i))
	}
	if len(l.keys) > maxKeys {
		t.Errorf("%d keys are remembered", len(l.keys))
	}
	l.Count("a")
	l.Count("a")
	if l.Take("a") == nil {
		t.Error("a third was allowed")
	}
	w.pass(-time.Hour)
	if l.Take("a") == nil {
		t.Error("a clock that is set back lets one in")
	}
	w.pass(time.Hour + 5*time.Second)
	if err := l.Take("a"); err != nil {
		t.Error(err)
	}
	l.Forget("a")
	if err := errors.Join(l.Take("a"), l.Take("a")); err != nil {
		t.Error(err)
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

func TestCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	c, err := OpenCertificate("", "", dir)
	if err != nil {
		t.Fatal(err)
	}
	print, err := c.Fingerprint()
	if err != nil || len(print) != 32*3-1 {
		t.Errorf("%s, %v", print, err)
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
	same, err := OpenCertificate("", "", dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := same.Fingerprint(); again != print {
		t.Error("the next start made another certificate")
	}
	later := pair.Leaf.NotAfter.Add(-certRenew / 2)
	if p, err := same.get(later); err != nil || !p.Leaf.NotAfter.After(later.Add(certRenew)) {
		t.Errorf("one that is about to expire is kept: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if healed, err := OpenCertificate("", "", dir); err != nil {
		t.Errorf("half of a pair: %v", err)
	} else if again, _ := healed.Fingerprint(); again == print {
		t.Error("a certificate without its key is in force")
	}
	if _, err := OpenCertificate(filepath.Join(dir, "cert.pem"), "", dir); err == nil {
		t.Error("a certificate without a key was taken")
	}
	if _, err := OpenCertificate(filepath.Join(dir, "none.pem"), filepath.Join(dir, "key.pem"), dir); err == nil || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("a file that is not there: %v", err)
	}
}
