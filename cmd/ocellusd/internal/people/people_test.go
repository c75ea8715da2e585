package people

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

const network = "0123"

// axis returns a vector of four numbers along one of them, leaning a little.
func axis(i int, lean float32) face.Vector {
	v := make(face.Vector, 4)
	v[i], v[(i+1)%4] = 0.6+lean, 0.8-lean
	n := v[i]*v[i] + v[(i+1)%4]*v[(i+1)%4]
	v[i], v[(i+1)%4] = v[i]/sqrt(n), v[(i+1)%4]/sqrt(n)
	return v
}

func sqrt(x float32) float32 {
	r := float32(1)
	for range 30 {
		r = (r + x/r) / 2
	}
	return r
}

func book(t *testing.T, dir string) (*Book, *store.DB) {
	t.Helper()
	db, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	b, err := Open(db, filepath.Join(dir, "device.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Use(t.Context(), network, 4); err != nil {
		t.Fatal(err)
	}
	return b, db
}

func TestEnrolledAreKnownAgain(t *testing.T) {
	dir := t.TempDir()
	b, db := book(t, dir)
	before := b.Gallery()
	for i, name := range []string{"Ada", "Grace"} {
		p, err := b.Enrol(t.Context(), "carl", name, 0.5, axis(2*i, 0), axis(2*i, 0.01))
		if err != nil || p.Name != name || p.Templates != 2 {
			t.Fatalf("%+v, %v", p, err)
		}
	}
	var unlike *UnlikeError
	if _, err := b.Enrol(t.Context(), "carl", "Ada", 0.5, axis(2, 0)); !errors.As(err, &unlike) || unlike.Name != "Ada" {
		t.Errorf("Grace's face was enrolled as Ada: %v", err)
	}
	if _, err := b.Enrol(t.Context(), "carl", face.Unknown, 0.5, axis(2, 0)); err == nil {
		t.Error("someone is called unknown")
	}
	if len(before.People) != 0 {
		t.Error("a gallery that was handed out has changed")
	}
	b, _ = book(t, dir)
	if name, similarity := b.Gallery().Nearest(axis(2, 0.02)); name != "Grace" || similarity < 0.99 {
		t.Errorf("%s, %g", name, similarity)
	}
	list, err := b.List(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "Ada" || list[0].Templates != 2 || list[0].Enrolled.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	log, err := audit.List(t.Context(), db.Read(), 0, 10)
	if err != nil || len(log) != 2 || log[0].Actor != "carl" || log[0].Action != "person.enrol" || log[0].Subject != "Grace" {
		t.Errorf("%+v, %v", log, err)
	}
	if err := b.Use(t.Context(), "another", 8); err != nil {
		t.Fatal(err)
	}
	if list, err := b.List(t.Context()); err != nil || len(list) != 2 || list[0].Templates != 0 {
		t.Errorf("of another network: %+v, %v", list, err)
	}
}

// files returns all that lies in a folder, but not the device's key.
func files(t *testing.T, dir string) []byte {
	t.Helper()
	var all []byte
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Type().IsRegular() && f.Name() != "device.key" {
			b, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
	}
	return all
}

// TestForget looks for the key and the vectors of someone who was forgotten in every file.
func TestForget(t *testing.T) {
	dir := t.TempDir()
	b, db := book(t, dir)
	const n = 200 // of the table's pages there are several, between which rows move
	for i := range n {
		if _, err := b.Enrol(t.Context(), "carl", "person "+string(rune('A'+i/26))+string(rune('a'+i%26)), 0, axis(i%4, float32(i)/1000)); err != nil {
			t.Fatal(err)
		}
	}
	kept := map[string][2][]byte{}
	rows, err := db.Read().Query(`SELECT p.name, p.key, t.sealed FROM people p JOIN templates t ON t.person = p.id`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		var x [2][]byte
		if err := rows.Scan(&name, &x[0], &x[1]); err != nil {
			t.Fatal(err)
		}
		kept[name] = x
	}
	rows.Close()
	if len(kept) != n {
		t.Fatalf("%d people", len(kept))
	}
	if bytes.Contains(files(t, dir), encode(axis(1, 0.001))) {
		t.Error("a vector lies there as it is")
	}
	i := 0
	for name, x := range kept {
		if i++; i > 12 {
			break
		}
		if !bytes.Contains(files(t, dir), x[0]) {
			t.Fatal("the key of someone who is known is not there")
		}
		if err := b.Forget(t.Context(), "carl", name); err != nil {
			t.Fatal(err)
		}
		if all := files(t, dir); bytes.Contains(all, x[0]) {
			t.Errorf("%s is forgotten, and the key is there", name)
		}
		if b.Gallery().Person(name) != nil {
			t.Errorf("%s is forgotten and known", name)
		}
		if err := b.Forget(t.Context(), "carl", name); !errors.Is(err, ErrNobody) {
			t.Errorf("%s is forgotten again: %v", name, err)
		}
	}
	if len(b.Gallery().People) != n-12 {
		t.Errorf("%d people are known", len(b.Gallery().People))
	}
	log, err := audit.List(t.Context(), db.Read(), 0, 1)
	if err != nil || log[0].Action != "person.forget" {
		t.Errorf("%+v, %v", log, err)
	}
}

// TestForgetWhileRead forgets somebody while the database is read. The person is gone at once, and the key from the files as soon as that can be.
func TestForgetWhileRead(t *testing.T) {
	dir := t.TempDir()
	b, db := book(t, dir)
	if _, err := b.Enrol(t.Context(), "carl", "Ada", 0, axis(0, 0)); err != nil {
		t.Fatal(err)
	}
	reader, err := db.Read().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.ExecContext(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	var key []byte
	if err := reader.QueryRowContext(t.Context(), `SELECT key FROM people`).Scan(&key); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var owed *OwedError
	if err := b.Forget(ctx, "carl", "Ada"); !errors.As(err, &owed) {
		t.Fatalf("forgotten while somebody reads: %v", err)
	}
	if list, err := b.List(t.Context()); err != nil || len(list) != 0 || b.Gallery().Person("Ada") != nil {
		t.Errorf("Ada is known: %+v, %v", list, err)
	}
	if !bytes.Contains(files(t, dir), key) {
		t.Error("the key is gone while somebody reads what was before")
	}
	if _, err := reader.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := db.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(files(t, dir), key) {
		t.Error("the key is there")
	}
}

// TestSealed moves what is sealed to another place, and opens the database with another key.
func TestSealed(t *testing.T) {
	dir := t.TempDir()
	b, db := book(t, dir)
	for i, name := range []string{"Ada", "Grace", "Lise"} {
		if _, err := b.Enrol(t.Context(), "carl", name, 0.5, axis(i, 0)); err != nil {
			t.Fatal(err)
		}
	}
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := tx.Exec(`UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE person = 2) WHERE person = 1`); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE people SET key = (SELECT key FROM people WHERE id = 2) WHERE id = 3`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Use(t.Context(), network, 4)
	if err == nil || !strings.Contains(err.Error(), "Ada") || !strings.Contains(err.Error(), "Lise") || strings.Contains(err.Error(), "Grace") {
		t.Errorf("what was moved is taken for what it was: %v", err)
	}
	if g := b.Gallery(); len(g.People) != 1 || g.People[0].Name != "Grace" {
		t.Errorf("%+v", g.People)
	}

	key := filepath.Join(dir, "device.key")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	b, err = Open(db, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Use(t.Context(), network, 4); err == nil || len(b.Gallery().People) != 0 {
		t.Errorf("another device reads the faces: %v", err)
	}
	if err := b.Forget(t.Context(), "carl", "Ada"); err != nil {
		t.Errorf("who cannot be read cannot be forgotten: %v", err)
	}
	if _, err := b.Enrol(t.Context(), "carl", "Ada", 0.5, axis(0, 0)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		say  string
		make func() error
	}{
		{"chmod 600", func() error { return os.Chmod(key, 0o644) }},
		{"5 bytes", func() error { return os.Chmod(key, 0o600) }},
	} {
		if c.say == "5 bytes" {
			if err := os.WriteFile(key, []byte("short"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.make(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(db, key, nil); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%v, not %q", err, c.say)
		}
	}
}
