package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// patience is how long Scrub waits for readers of what was before.
const patience = 10 * time.Second

// Scrub makes sure that no file of the database holds any of these bytes, which were deleted, any more: the log is written into the database and emptied, and
// where the database itself still has them in a part that is unused, it is written anew.
func (d *DB) Scrub(ctx context.Context, gone ...[]byte) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := d.emptyLog(ctx); err != nil {
		return err
	}
	found, err := d.holds(gone)
	if err != nil || !found {
		return err
	}
	if _, err := d.write.ExecContext(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("the database could not be written anew, to be rid of what was deleted: %w", explain(err))
	}
	if err := d.emptyLog(ctx); err != nil {
		return err
	}
	if found, err = d.holds(gone); err == nil && found {
		err = errors.New("what was deleted is still in the database's files")
	}
	return err
}

// emptyLog writes the log into the database and cuts it to no length, as soon as nobody reads what was before.
func (d *DB) emptyLog(ctx context.Context) error {
	for {
		var busy, frames, done int
		if err := d.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &done); err != nil {
			return fmt.Errorf("the database's log could not be emptied: %w", explain(err))
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database's log could not be emptied, because it is read: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
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
