package store

import (
	"bytes"
	"database/sql"
	"os"
	"testing"
	"testing/iotest"
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
