package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
)

// tokenPrefix marks tokens, so that scanners of source code find those that were left there.
const tokenPrefix = "ocellus_"

// Token is the pass of a program. What it is shown with is known only to who made it.
type Token struct {
	ID      int64      `json:"id"`
	Name    string     `json:"name"`
	Role    Role       `json:"role"`
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Bearer returns whose a token is. It fails with ErrDenied where there is none, or where it has expired.
func (a *Auth) Bearer(ctx context.Context, token string) (Identity, error) {
	var name, role string
	var expires int64
	err := a.db.Read().QueryRowContext(ctx, `SELECT name, role, expires FROM tokens WHERE hash = ?`, digest(token)).Scan(&name, &role, &expires)
	if errors.Is(err, sql.ErrNoRows) || err == nil && expires != 0 && a.now().UnixNano() >= expires {
		return Identity{}, ErrDenied
	}
	if err != nil {
		return Identity{}, err
	}
	id := Identity{Name: "token " + name}
	return id, id.Role.UnmarshalText([]byte(role))
}

// Tokens lists the tokens.
func (a *Auth) Tokens(ctx context.Context) ([]Token, error) {
	rows, err := a.db.Read().QueryContext(ctx, `SELECT id, name, role, created, expires FROM tokens ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Token{}
	for rows.Next() {
		var t Token
		var role string
		var created, expires int64
		if err := rows.Scan(&t.ID, &t.Name, &role, &created, &expires); err != nil {
			return nil, err
		}
		if err := t.Role.UnmarshalText([]byte(role)); err != nil {
			return nil, err
		}
		t.Created = time.Unix(0, created).UTC()
		if expires != 0 {
			at := time.Unix(0, expires).UTC()
			t.Expires = &at
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// AddToken makes a token and returns what it is shown with, this once. The zero time never comes.
func (a *Auth) AddToken(ctx context.Context, actor, name string, role Role, expires time.Time) (Token, string, error) {
	if err := CheckName(name); err != nil {
		return Token{}, "", err
	}
	now := a.now()
	t := Token{Name: name, Role: role, Created: now.UTC()}
	until := int64(0)
	switch {
	case role < Viewer || role > Admin:
		return Token{}, "", &InputError{errBadRole}
	case expires.IsZero():
	case !expires.After(now) || expires.Year() > 2200:
		return Token{}, "", &InputError{errBadLimit}
	default:
		at := expires.UTC()
		t.Expires, until = &at, expires.UnixNano()
	}
	text, hash := secret(tokenPrefix)
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM tokens`).Scan(&n); err != nil {
			return err
		}
		if n >= maxTokens {
			return ErrTooMany
		}
		r, err := tx.Exec(`INSERT INTO tokens (hash, name, role, created, expires) VALUES (?, ?, ?, ?, ?)`, hash, name, role.String(), now.UnixNano(), until)
		if err != nil {
			return err
		}
		if t.ID, err = r.LastInsertId(); err != nil {
			return err
		}
		return audit.Record(tx, actor, "token.add", name, fmt.Sprintf("token %d, %s", t.ID, role))
	})
	if err != nil {
		return Token{}, "", err
	}
	a.close()
	return t, text, nil
}

// RemoveToken removes a token.
func (a *Auth) RemoveToken(ctx context.Context, actor string, id int64) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		var name string
		err := tx.QueryRow(`DELETE FROM tokens WHERE id = ? RETURNING name`, id).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoToken
		}
		if err != nil {
			return err
		}
		return audit.Record(tx, actor, "token.remove", name, fmt.Sprintf("token %d", id))
	})
}
