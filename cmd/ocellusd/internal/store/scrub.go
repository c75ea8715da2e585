package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

const (
	// patience is how long Scrub and Settle wait for readers of what was before.
	patience = 10 * time.Second
	// turn is for how much of that at a time those who want to write wait meanwhile.
	turn = 500 * time.Millisecond
	// rewriting is how long the database may take to be written anew, while nobody else can write.
	rewriting = time.Minute
	// debtSetting is where it is counted how often Scrub is owed.
	debtSetting = "scrub_owed"
)

// Owe writes down, in the transaction that deletes something, that one call of Scrub is to follow. Where that fails, or the process ends before, Settle does it.
func Owe(tx *sql.Tx) error {
	_, err := tx.Exec("INSERT INTO settings (name, value) VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = value + 1", debtSetting)
	return err
}

// Scrub makes sure that no file of the database holds any of these bytes any more, which were deleted in a transaction with Owe: the log is written into the
// database and emptied, and where the database itself still has them in a part that is unused, it is written anew. After an error the files may still hold them,
// and it is still owed.
func (d *DB) Scrub(ctx context.Context, gone ...[]byte) error {
	d.scrubbing.Lock()
	defer d.scrubbing.Unlock()
	d.debts = append(d.debts, gone)
	return d.scrub(ctx)
}

// Settle does what calls of Scrub could not. Where that was before the program started, so that it is not known which bytes are to go, the database is written anew.
func (d *DB) Settle(ctx context.Context) error {
	d.scrubbing.Lock()
	defer d.scrubbing.Unlock()
	return d.scrub(ctx)
}

func (d *DB) scrub(ctx context.Context) error {
	text, err := d.Setting(ctx, debtSetting)
	if err != nil {
		return err
	}
	owed, _ := strconv.Atoi(text)
	if owed == 0 && len(d.debts) == 0 {
		return nil
	}
	gone := slices.Concat(d.debts...)
	if err := d.emptyLog(ctx); err != nil {
		return err
	}
	found, err := d.holds(gone)
	if err != nil {
		return err
	}
	if found || owed > len(d.debts) {
		if err := d.rewrite(ctx, gone); err != nil {
			return err
		}
	}
	// Where more is owed by now, all of it stays written down: its bytes have not been looked for.
	err = d.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM settings WHERE name = ? AND value = ?", debtSetting, text)
		return err
	})
	if err == nil {
		d.debts = nil
	}
	return err
}

// rewrite writes the database anew, after which its files do not hold these bytes.
func (d *DB) rewrite(ctx context.Context, gone [][]byte) error {
	limited, cancel := context.WithTimeout(ctx, rewriting)
	defer cancel()
	if _, err := d.write.ExecContext(limited, "VACUUM"); err != nil {
		return fmt.Errorf("the database could not be written anew, to be rid of what was deleted: %w", explain(err))
	}
	if err := d.emptyLog(ctx); err != nil {
		return err
	}
	found, err := d.holds(gone)
	if err == nil && found {
		err = errors.New("what was deleted is still in the database's files")
	}
	return err
}

// emptyLog writes the log into the database and cuts it to no length, as soon as nobody reads what was before.
func (d *DB) emptyLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		empty, err := d.tryEmpty(ctx)
		if err != nil {
			return fmt.Errorf("the database's log could not be emptied: %w", explain(err))
		}
		if empty {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database's log could not be emptied, because it is read: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tryEmpty tries it for a turn.
func (d *DB) tryEmpty(ctx context.Context) (empty bool, err error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = "+strconv.FormatInt(turn.Milliseconds(), 10)); err != nil {
		return false, err
	}
	defer func() {
		if _, e := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = "+busyTimeout); err == nil {
			err = e
		}
	}()
	var busy, frames, done int
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done)
	return busy == 0, err
}

// holds says whether a file of the database has any of these bytes.
func (d *DB) holds(any [][]byte) (bool, error) {
	f, err := d.raw()
	if err != nil {
		return false, err
	}
	if found, err := contains(io.NewSectionReader(f, 0, math.MaxInt64), any); found || err != nil {
		return found, err
	}
	log, err := os.Open(d.path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer log.Close()
	return contains(log, any)
}

// contains says whether any of these bytes, which are shorter than 64 KiB, can be read.
func contains(r io.Reader, any [][]byte) (bool, error) {
	const most = 64 << 10
	b := make([]byte, 16*most)
	kept := 0
	for {
		n, err := io.ReadFull(r, b[kept:])
		part := b[:kept+n]
		for _, x := range any {
			if len(x) > 0 && bytes.Contains(part, x) {
				return true, nil
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = nil
			}
			return false, err
		}
		kept = copy(b, part[len(part)-most:])
	}
}
