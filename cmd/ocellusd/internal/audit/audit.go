// Package audit keeps the log of who did what to people, users and models.
package audit

import (
	"context"
	"database/sql"
	"time"
)

// Entry is one deed.
type Entry struct {
	ID      int64     `json:"id"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`  // user, "token NAME", or "console" for who works on the device itself
	Action  string    `json:"action"` // such as person.enrol
	Subject string    `json:"subject"`
	Detail  string    `json:"detail,omitempty"`
}

// Record writes an entry as part of the deed, so that there is never one without the other.
func Record(tx *sql.Tx, actor, action, subject, detail string) error {
	_, err := tx.Exec(`INSERT INTO audit (time, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)`,
		time.Now().UnixNano(), actor, action, subject, detail)
	return err
}

// List returns at most limit entries, the newest first: those with numbers below before, or the last ones where that is 0.
func List(ctx context.Context, db *sql.DB, before int64, limit int) ([]Entry, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, time, actor, action, subject, detail FROM audit WHERE ? = 0 OR id < ? ORDER BY id DESC LIMIT ?`,
		before, before, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Entry{}
	for rows.Next() {
		var e Entry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Subject, &e.Detail); err != nil {
			return nil, err
		}
		e.Time = time.Unix(0, at).UTC()
		list = append(list, e)
	}
	return list, rows.Err()
}
