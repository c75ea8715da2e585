package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestCancelledRead gives up reading at random moments, as a server does when a client goes away. What is read after that must not be from before it.
func TestCancelledRead(t *testing.T) {
	db, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		for i := range 200 {
			if _, err := tx.Exec("INSERT INTO settings (name, value) VALUES (?, ?)", fmt.Sprint("name ", i), fmt.Sprint("value ", i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(400))*time.Microsecond)
		if rows, err := db.Read().QueryContext(ctx, "SELECT name, dense_rank() OVER (ORDER BY value) FROM settings ORDER BY value"); err == nil {
			for rows.Next() {
			}
			rows.Close()
		}
		cancel()
		want := fmt.Sprint(i)
		if err := db.SetSetting(t.Context(), "last", want); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got, err := db.Setting(t.Context(), "last"); err != nil || got != want {
				t.Fatalf("after giving up %d times %q is read, %v; written was %q", i+1, got, err, want)
			}
		}
	}
}
