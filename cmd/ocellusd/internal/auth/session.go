package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"unicode/utf8"
)

// Login begins a session for who knows the password. from is the address that asks. It fails with ErrDenied, or with a *LimitError
// where there were too many attempts from this address or for this user, those that are being looked at included.
func (a *Auth) Login(ctx context.Context, from netip.Addr, user, password string) (cookie string, err error) {
	place, name := "from "+prefix(from), "user "+user
	if err := a.logins.Take(place, 1); err != nil {
		return "", err
	}
	if utf8.RuneCountInString(user) > maxName {
		return "", ErrDenied // nobody's name, and nothing to remember
	}
	// Many addresses may try one name; the name's own limit is wider, so that one stranger cannot lock its owner out at once.
	if err := a.logins.Take(name, 5); err != nil {
		a.logins.Give(place)
		return "", err
	}
	if err := a.proves(ctx, user, password); err != nil {
		if !errors.Is(err, ErrDenied) {
			a.logins.Give(place)
			a.logins.Give(name)
		}
		return "", err
	}
	a.logins.Forget(place)
	a.logins.Give(name)
	return a.begin(ctx, user)
}

// proves fails with ErrDenied where a password is not that of a user.
func (a *Auth) proves(ctx context.Context, user, password string) error {
	var hash string
	err := a.db.Read().QueryRowContext(ctx, `SELECT password FROM users WHERE name = ?`, user).Scan(&hash)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if !known {
		hash = nobody // so that the answer takes as long
	}
	ok, err := a.matches(ctx, hash, password)
	if err == nil && (!ok || !known) {
		return ErrDenied
	}
	return err
}

// prefix is the part of an address that its owner cannot change at will: a whole IPv4 address, or the first 64 bits of an IPv6 one.
func prefix(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// begin writes a new session of a user. It fails with ErrUnwritable where the database takes nothing.
func (a *Auth) begin(ctx context.Context, user string) (string, error) {
	text, hash := secret("")
	now := a.now().UnixNano()
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM sessions WHERE seen < ? OR created < ?`, now-int64(SessionIdle), now-int64(SessionMost)); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM sessions WHERE user = ? AND hash NOT IN (SELECT hash FROM sessions WHERE user = ? ORDER BY seen DESC LIMIT ?)`,
			user, user, maxSessions-1); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO sessions (hash, user, created, seen) VALUES (?, ?, ?, ?)`, hash, user, now, now)
		return err
	})
	if err != nil && ctx.Err() == nil {
		a.fault("a session could not be begun", err)
		err = fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
	return text, err
}

// Session returns whose session a cookie is. It fails with ErrDenied where there is none. That its last use cannot be written down now is no reason to.
func (a *Auth) Session(ctx context.Context, cookie string) (Identity, error) {
	hash := digest(cookie)
	var id Identity
	var role string
	var created, seen int64
	err := a.db.Read().QueryRowContext(ctx, `SELECT u.name, u.role, s.created, s.seen FROM sessions s JOIN users u ON u.name = s.user WHERE s.hash = ?`, hash).
		Scan(&id.Name, &role, &created, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return Identity{}, ErrDenied
	}
	if err != nil {
		return Identity{}, err
	}
	now := a.now().UnixNano()
	if now-seen > int64(SessionIdle) || now-created > int64(SessionMost) {
		return Identity{}, errors.Join(ErrDenied, a.Logout(ctx, cookie))
	}
	if (now-seen > int64(seenStep) || now < seen) && !a.faulty() {
		err = a.db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE sessions SET seen = ? WHERE hash = ?`, now, hash)
			return err
		})
		if err != nil && ctx.Err() == nil {
			a.fault("the last use of a session could not be written down", err)
		}
	}
	id.CSRF = csrf(cookie)
	return id, id.Role.UnmarshalText([]byte(role))
}

// csrf is what unsafe requests must repeat: who can make a browser send the cookie cannot know it.
func csrf(cookie string) string {
	m := hmac.New(sha256.New, []byte(cookie))
	m.Write([]byte("ocellus csrf"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Repeats says whether a request repeats the session's CSRF token.
func (id *Identity) Repeats(token string) bool {
	return id.CSRF != "" && subtle.ConstantTimeCompare([]byte(id.CSRF), []byte(token)) == 1
}

// Logout ends a session.
func (a *Auth) Logout(ctx context.Context, cookie string) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM sessions WHERE hash = ?`, digest(cookie))
		return err
	})
}
