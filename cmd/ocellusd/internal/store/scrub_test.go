package store

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"testing"
	"testing/iotest"
	"time"
)

// TestScrub deletes rows without overwriting them: the files must not hold them afterwards, and all else must be there.
func TestScrub(t *testing.T) {
	d := fresh(t)
	secret, other := bytes.Repeat([]byte("secret!?"), 8), bytes.Repeat([]byte("other..."), 8)
	err := d.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec("CREATE TABLE scrubbed (id INTEGER PRIMARY KEY, v BLOB)")
		for i := 0; err == nil && i < 500; i++ {
			_, err = tx.Exec("INSERT INTO scrubbed (v) VALUES (?)", append(bytes.Clone([][]byte{secret, other}[i%2]), byte(i), byte(i>>8)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.write.Exec("PRAGMA secure_delete = 0; DELETE FROM scrubbed WHERE id % 2 = 1"); err != nil {
		t.Fatal(err)
	}
	if found, err := d.holds([][]byte{secret}); !found || err != nil {
		t.Fatalf("what was only deleted is not found: %v", err)
	}
	if err := d.Scrub(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		if f.Type().IsRegular() {
			b, err := os.ReadFile(d.dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	var rest int
	if err := d.read.QueryRow("SELECT count(*) FROM scrubbed").Scan(&rest); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(all, secret) || !bytes.Contains(all, other) || rest != 250 {
		t.Errorf("there: %v; of 250 others there are %d", bytes.Contains(all, secret), rest)
	}
	if err := d.whole(); err != nil {
		t.Error(err)
	}
}

// hold reads what is there now until stop is called.
func hold(t *testing.T, d *DB, query string) (stop func()) {
	t.Helper()
	conn, err := d.read.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do := func(query string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	do("BEGIN")
	do(query)
	return func() {
		do("ROLLBACK")
		conn.Close()
	}
}

// TestScrubThatIsOwed deletes while somebody reads what was before. It cannot be scrubbed then, stays written down, and is done as soon as that can be: by the
// same process, or by the next, which does not know what it looks for.
func TestScrubThatIsOwed(t *testing.T) {
	for name, restart := range map[string]bool{"the same process": false, "the next": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			defer func() { d.Close() }()
			secret := bytes.Repeat([]byte("secret!?"), 8)
			err := d.Write(t.Context(), func(tx *sql.Tx) error {
				_, err := tx.Exec("CREATE TABLE scrubbed (id INTEGER PRIMARY KEY, v BLOB)")
				for i := 0; err == nil && i < 100; i++ {
					_, err = tx.Exec("INSERT INTO scrubbed (v) VALUES (?)", secret)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Scrub(t.Context()); err != nil { // the rows are in the database, and not in its log
				t.Fatal(err)
			}
			stop := hold(t, d, "SELECT count(*) FROM scrubbed")
			if _, err := d.write.Exec("PRAGMA secure_delete = 0"); err != nil {
				t.Fatal(err)
			}
			err = d.Write(t.Context(), func(tx *sql.Tx) error {
				if _, err := tx.Exec("DELETE FROM scrubbed"); err != nil {
					return err
				}
				return Owe(tx)
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := d.Scrub(ctx, secret); err == nil {
				t.Fatal("it is done while somebody reads")
			}
			if owed, err := d.Setting(t.Context(), debtSetting); owed != "1" || err != nil {
				t.Fatalf("owed: %q, %v", owed, err)
			}
			stop()
			if restart {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
				d = open(t, dir)
			}
			if found, err := d.holds([][]byte{secret}); !found || err != nil {
				t.Fatalf("it is gone before it was scrubbed: %v", err)
			}
			if err := d.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if found, err := d.holds([][]byte{secret}); found || err != nil {
				t.Errorf("found: %v, %v", found, err)
			}
			if owed, err := d.Setting(t.Context(), debtSetting); owed != "" || err != nil || d.debts != nil {
				t.Errorf("owed: %q, %v, %d debts", owed, err, len(d.debts))
			}
			if err := d.whole(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWritersBesideScrub writes while Scrub waits for a reader.
func TestWritersBesideScrub(t *testing.T) {
	d := fresh(t)
	defer hold(t, d, "SELECT count(*) FROM events")()
	add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Scrub(ctx, []byte("secret")) }()
	for range 3 {
		add(t, d, Event{Time: at, Camera: "door", Kind: Loitering}, nil)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("it was done while somebody read, or given up before the events were written")
	}
}

// TestContains looks for bytes across the bounds of what is read at a time.
func TestContains(t *testing.T) {
	for _, at := range []int{0, 1<<20 - 3, 1<<20 + 5, 3<<20 - 7} {
		b := make([]byte, 3<<20)
		copy(b[at:], "needle")
		if found, err := contains(iotest.HalfReader(bytes.NewReader(b)), [][]byte{nil, []byte("needle")}); !found || err != nil {
			t.Errorf("at %d: %v, %v", at, found, err)
		}
		if found, err := contains(bytes.NewReader(b), [][]byte{[]byte("neele")}); found || err != nil {
			t.Errorf("what is not there is found: %v", err)
		}
	}
}
