// Package auth says who may do what: users with passwords, sessions of browsers, tokens of programs, and the one-time link of the first start.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
)

// DB is what is asked of the database: one writer at a time, any number of readers.
type DB interface {
	Read() *sql.DB
	Write(context.Context, func(*sql.Tx) error) error
}

// Role is what a user or a token may do; each may do what those before it may.
type Role int

const (
	Anyone   Role = iota // without a name
	Viewer               // sees cameras and events
	Operator             // judges events, edits zones, enrols people, teaches
	Admin                // users, tokens, models, settings
)

var roles = [...]string{"anyone", "viewer", "operator", "admin"}

func (r Role) String() string {
	if r >= 0 && int(r) < len(roles) {
		return roles[r]
	}
	return fmt.Sprintf("role %d", int(r))
}

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: viewer, operator or admin.
func (r *Role) UnmarshalText(text []byte) error {
	for i, name := range roles[Viewer:] {
		if string(text) == name {
			*r = Viewer + Role(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no role; there are viewer, operator and admin", text)
}

// Identity is who asks.
type Identity struct {
	Name string // of the user, or "token NAME"
	Role Role
	CSRF string // what unsafe requests of a session must repeat; "" for tokens
}

// Faults that a client can mend.
var (
	ErrDenied   = errors.New("the name or the password is wrong")
	ErrLink     = errors.New("this one-time link is not valid: it has been used, or the program has been started again since; its log has the one in force")
	ErrNoUser   = errors.New("there is no such user")
	ErrExists   = errors.New("there is a user of this name already")
	ErrLast     = errors.New("this is the last administrator; make another one first")
	ErrNoToken  = errors.New("there is no such token")
	ErrTooMany  = errors.New("there are too many of them already")
	errBadRole  = errors.New("the role is viewer, operator or admin")
	errBadLimit = errors.New("a token expires in the future, or never")
)

// ErrUnwritable is no fault of the client's: it passes, or is mended on the device.
var ErrUnwritable = errors.New("nobody can log in now, because the database cannot be written: the log says why")

// InputError says what is wrong with a name, password or role that was given.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Bounds.
const (
	SessionIdle = 7 * 24 * time.Hour  // a session ends when it was not used for so long
	SessionMost = 30 * 24 * time.Hour // and at this age
	seenStep    = time.Minute         // how exactly the last use is written down
	faultStep   = time.Minute         // after a write that failed, within which no other use is written down and no other fault is logged
	maxUsers    = 100
	maxTokens   = 100
	maxSessions = 20 // of a user; the oldest one ends
	minPassword = 10 // characters
	maxPassword = 512
	maxName     = 64
)

// Auth knows users, sessions and tokens.
type Auth struct {
	db  DB
	now func() time.Time
	log *slog.Logger

	logins *Limiter
	hashes chan struct{} // one place: a hash takes tens of MiB

	mu      sync.Mutex
	link    []byte // SHA-256 of the one-time link's token; nil once there is someone
	secured chan struct{}
	open    bool      // secured is not closed yet
	faulted time.Time // when a write failed and that was logged
}

// New looks into the database whether there is anyone yet. now is the clock, nil for that of the system.
func New(ctx context.Context, db DB, log *slog.Logger, now func() time.Time) (*Auth, error) {
	if now == nil {
		now = time.Now
	}
	a := &Auth{db: db, now: now, log: log, logins: NewLimiter(10, 10*time.Minute, now), hashes: make(chan struct{}, 1), secured: make(chan struct{}), open: true}
	return a, a.Look(ctx)
}

// Look looks whether there is someone now, whom another program may have made.
func (a *Auth) Look(ctx context.Context) error {
	if a.IsSecured() {
		return nil
	}
	var n int
	if err := a.db.Read().QueryRowContext(ctx, `SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tokens)`).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		a.close()
	}
	return nil
}

// close notes that there is someone: the door is locked from now on.
func (a *Auth) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.link = nil
	if a.open {
		a.open = false
		close(a.secured)
	}
}

// faulty says whether a write failed lately.
func (a *Auth) faulty() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lately()
}

// lately is faulty. a.mu is held.
func (a *Auth) lately() bool {
	since := a.now().Sub(a.faulted)
	return since >= 0 && since < faultStep
}

// fault logs that the database could not be written, unless that was logged lately.
func (a *Auth) fault(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.lately() {
		a.faulted = a.now()
		a.log.Error(what, "error", err)
	}
}

// Secured is closed as soon as there is a password or a token. Before, only this device itself may be answered.
func (a *Auth) Secured() <-chan struct{} { return a.secured }

// IsSecured says whether Secured is closed.
func (a *Auth) IsSecured() bool {
	select {
	case <-a.secured:
		return true
	default:
		return false
	}
}

// Link returns the token of the one-time link by which the first user is made, a new one at each call; "" where there is someone already.
func (a *Auth) Link() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.open {
		return ""
	}
	text, hash := secret("")
	a.link = hash
	return text
}

// secret returns a random secret with a prefix, and its SHA-256.
func secret(prefix string) (text string, hash []byte) {
	var b [32]byte
	rand.Read(b[:])
	text = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return text, digest(text)
}

func digest(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Setup makes the first user, an administrator, for who has the one-time link, and begins a session.
func (a *Auth) Setup(ctx context.Context, link, user, password string) (cookie string, err error) {
	a.mu.Lock()
	ok := a.link != nil && subtle.ConstantTimeCompare(a.link, digest(link)) == 1
	a.mu.Unlock()
	if !ok {
		return "", ErrLink
	}
	err = a.addUser(ctx, user, user, password, Admin, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM tokens)`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrLink
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return a.begin(ctx, user)
}

// CheckName says what is wrong with the name of a user or token.
func CheckName(name string) error {
	switch {
	case name == "" || strings.TrimSpace(name) != name:
		return &InputError{fmt.Errorf("%q is no name: it is empty or begins or ends with a space", name)}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return &InputError{errors.New("a name has printed characters only")}
	case utf8.RuneCountInString(name) > maxName:
		return &InputError{fmt.Errorf("a name has at most %d characters", maxName)}
	}
	return nil
}

// CheckPassword says what is wrong with a password for a user.
func CheckPassword(user, password string) error {
	n := utf8.RuneCountInString(password)
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return &InputError{errors.New("a password is UTF-8 text")}
	case n < minPassword:
		return &InputError{fmt.Errorf("a password has at least %d characters; this one has %d", minPassword, n)}
	case len(password) > maxPassword:
		return &InputError{fmt.Errorf("a password has at most %d bytes", maxPassword)}
	case strings.EqualFold(password, user) || strings.Count(password, password[:1]) == len(password):
		return &InputError{errors.New("this password is guessed at once")}
	}
	return nil
}

// User is someone with a password.
type User struct {
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Created time.Time `json:"created"`
}

// Users lists them by name.
func (a *Auth) Users(ctx context.Context) ([]User, error) {
	rows, err := a.db.Read().QueryContext(ctx, `SELECT name, role, created FROM users ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []User{}
	for rows.Next() {
		var u User
		var role string
		var at int64
		if err := rows.Scan(&u.Name, &role, &at); err != nil {
			return nil, err
		}
		if err := u.Role.UnmarshalText([]byte(role)); err != nil {
			return nil, err
		}
		u.Created = time.Unix(0, at).UTC()
		list = append(list, u)
	}
	return list, rows.Err()
}

// AddUser adds a user. actor is who does it, for the audit log.
func (a *Auth) AddUser(ctx context.Context, actor, name, password string, role Role) error {
	return a.addUser(ctx, actor, name, password, role, func(*sql.Tx) error { return nil })
}

func (a *Auth) addUser(ctx context.Context, actor, name, password string, role Role, check func(*sql.Tx) error) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := CheckPassword(name, password); err != nil {
		return err
	}
	if role < Viewer || role > Admin {
		return &InputError{errBadRole}
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		if err := check(tx); err != nil {
			return err
		}
		var there, all int
		if err := tx.QueryRow(`SELECT count(*) FILTER (WHERE name = ?), count(*) FROM users`, name).Scan(&there, &all); err != nil {
			return err
		}
		switch {
		case there > 0:
			return ErrExists
		case all >= maxUsers:
			return ErrTooMany
		}
		if _, err := tx.Exec(`INSERT INTO users (name, role, password, created) VALUES (?, ?, ?, ?)`, name, role.String(), hash, a.now().UnixNano()); err != nil {
			return err
		}
		return audit.Record(tx, actor, "user.add", name, role.String())
	})
	if err == nil {
		a.close()
	}
	return err
}

// SetPassword gives a user another password and ends all sessions of the user.
func (a *Auth) SetPassword(ctx context.Context, actor, name, password string) error {
	if err := CheckPassword(name, password); err != nil {
		return err
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		r, err := tx.Exec(`UPDATE users SET password = ? WHERE name = ?`, hash, name)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNoUser)
		}
		if _, err := tx.Exec(`DELETE FROM sessions WHERE user = ?`, name); err != nil {
			return err
		}
		return audit.Record(tx, actor, "user.password", name, "")
	})
}

// RemoveUser removes a user and ends all sessions of the user. The last administrator cannot be removed.
func (a *Auth) RemoveUser(ctx context.Context, actor, name string) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		var role string
		err := tx.QueryRow(`SELECT role FROM users WHERE name = ?`, name).Scan(&role)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoUser
		}
		if err != nil {
			return err
		}
		var admins int
		if err := tx.QueryRow(`SELECT count(*) FROM users WHERE role = ?`, Admin.String()).Scan(&admins); err != nil {
			return err
		}
		if role == Admin.String() && admins == 1 {
			return ErrLast
		}
		for _, q := range []string{`DELETE FROM sessions WHERE user = ?`, `DELETE FROM users WHERE name = ?`} {
			if _, err := tx.Exec(q, name); err != nil {
				return err
			}
		}
		return audit.Record(tx, actor, "user.remove", name, "")
	})
}
