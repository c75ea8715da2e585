package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/netip"
)

// Login begins a session for who knows the password. from is the address that asks. It fails with ErrDenied, or with a *LimitError
// where there were too many attempts from this address or for this user.
func (a *Auth) Login(ctx context.Context, from netip.Addr, user, password string) (cookie string, err error) {
	place, name := "from "+prefix(from), "user "+user
	// Many addresses may try one name; the name's own limit is wider, so that one stranger cannot lock its owner out at once.
	if err := errors.Join(a.logins.Check(place, 1), a.logins.Check(name, 5)); err != nil {
		return "", err
	}
	var hash string
	err = a.db.Read().QueryRowContext(ctx, `SELECT password FROM users WHERE name = ?`, user).Scan(&hash)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", err
	}
	if !known {
		hash = nobody // so that the answer takes as long
	}
	ok, err := a.matches(ctx, hash, password)
	if err != nil {
		return "", err
	}
	if !ok || !known {
		a.logins.Count(place)
		a.logins.Count(name)
		return "", ErrDenied
	}
	a.logins.Forget(place)
	return a.begin(ctx, user)
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

// begin writes a new session of a user.
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
	return text, err
}

// Session returns whose session a cookie is. It fails with ErrDenied where there is none.
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
	if now-seen > int64(seenStep) || now < seen {
		err = a.db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE sessions SET seen = ? WHERE hash = ?`, now, hash)
			return err
		})
		if err != nil {
			return Identity{}, err
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
