// Package people keeps the faces that are known. Of each person there are vectors, no pictures, encrypted under a key of the person's own, which is
// itself encrypted under the device's key: to forget someone is to destroy that key.
package people

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/audit"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// DB is what is asked of the database.
type DB interface {
	Read() *sql.DB
	Write(context.Context, func(*sql.Tx) error) error
	// Scrub makes sure that no file of the database holds any of these bytes any more. What store.Owe wrote down stays owed where it fails.
	Scrub(ctx context.Context, gone ...[]byte) error
}

// ErrNobody says that nobody is known by a name.
var ErrNobody = errors.New("nobody is known by this name")

// OwedError says that a person is forgotten, and that files of the database may still hold the key: it is destroyed there as soon as that can be.
type OwedError struct{ Err error }

func (e *OwedError) Error() string {
	return "the key of a person who is forgotten is not yet out of the database's files: " + e.Err.Error()
}
func (e *OwedError) Unwrap() error { return e.Err }

// UnlikeError says that a face does not belong to the person that it is enrolled as.
type UnlikeError struct {
	Name                  string
	Similarity, Threshold float64
}

func (e *UnlikeError) Error() string {
	return fmt.Sprintf("this face is unlike the other pictures of %s: similarity %.3f, threshold %.3f", e.Name, e.Similarity, e.Threshold)
}

// Person is someone who is known.
type Person struct {
	Name      string    `json:"name"`
	Templates int       `json:"templates"` // of the network in use; 0 for who has to be enrolled again
	Enrolled  time.Time `json:"enrolled"`
}

// Book is the people that are known.
type Book struct {
	db     DB
	device cipher.AEAD
	mu     sync.Mutex // one change at a time
	tell   func(*face.Gallery)
	now    atomic.Pointer[face.Gallery]
}

// Open reads the device's key from a file, which is made where it is missing. changed is told of every new Gallery, one after the other; or it is nil.
func Open(db DB, keyFile string, changed func(*face.Gallery)) (*Book, error) {
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	return &Book{db: db, device: key, tell: changed}, nil
}

// set puts a gallery in force.
func (b *Book) set(g *face.Gallery) {
	b.now.Store(g)
	if b.tell != nil {
		b.tell(g)
	}
}

// Use decrypts the vectors of a network, which has the SHA-256 and whose vectors have size numbers. An error names those who cannot be
// read; the others are known nonetheless.
func (b *Book) Use(ctx context.Context, network string, size int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows, err := b.db.Read().QueryContext(ctx, `SELECT p.id, p.name, p.enrolled, p.key, t.sealed FROM people p JOIN templates t ON t.person = p.id
		WHERE t.network = ? ORDER BY p.name, t.id`, network)
	if err != nil {
		return err
	}
	defer rows.Close()
	g := face.NewGallery(network, size)
	var broken []string
	for rows.Next() {
		var id, at int64
		var name string
		var wrapped, sealed []byte
		if err := rows.Scan(&id, &name, &at, &wrapped, &sealed); err != nil {
			return err
		}
		v, err := b.open(id, wrapped, sealed, network)
		if err == nil {
			err = g.Enrol(name, time.Unix(0, at).UTC(), v)
		}
		if err != nil && !slices.Contains(broken, name) {
			broken = append(broken, name)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	b.set(g)
	if len(broken) > 0 {
		return fmt.Errorf("the faces of %d people cannot be decrypted with this device's key; forget them and enrol them again: %q", len(broken), broken)
	}
	return nil
}

// open decrypts one vector.
func (b *Book) open(person int64, wrapped, sealed []byte, network string) (face.Vector, error) {
	key, err := b.key(person, wrapped)
	if err != nil {
		return nil, err
	}
	plain, err := unseal(key, sealed, templateOf(person, network))
	if err != nil {
		return nil, err
	}
	return decode(plain), nil
}

func (b *Book) key(person int64, wrapped []byte) (cipher.AEAD, error) {
	key, err := unseal(b.device, wrapped, keyOf(person))
	if err != nil {
		return nil, err
	}
	return aead(key)
}

// Gallery returns the people as they are now: it is never changed, and replaced by a new one at every change. It is nil before Use.
func (b *Book) Gallery() *face.Gallery { return b.now.Load() }

// List lists everyone by name, with the number of vectors of the network in use.
func (b *Book) List(ctx context.Context) ([]Person, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT name, enrolled FROM people ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list, g := []Person{}, b.Gallery()
	for rows.Next() {
		var p Person
		var at int64
		if err := rows.Scan(&p.Name, &at); err != nil {
			return nil, err
		}
		p.Enrolled = time.Unix(0, at).UTC()
		if g != nil {
			if known := g.Person(p.Name); known != nil {
				p.Templates = len(known.Templates)
			}
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// Enrol adds vectors, one a picture, to a person, who may be new. Those of one person must be similar by the threshold; an *UnlikeError says where one is not.
func (b *Book) Enrol(ctx context.Context, actor, name string, threshold float64, vectors ...face.Vector) (Person, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.now.Load()
	if old == nil {
		return Person{}, errors.New("people: Enrol: no network is in use")
	}
	g := *old
	g.People = slices.Clone(old.People)
	if err := alike(g.Person(name), name, vectors, threshold); err != nil {
		return Person{}, err
	}
	now := time.Now().UTC()
	if err := g.Enrol(name, now, vectors...); err != nil {
		return Person{}, err
	}
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		id, key, err := b.find(tx, name, now)
		if err != nil {
			return err
		}
		for _, v := range vectors {
			if _, err := tx.Exec(`INSERT INTO templates (person, network, sealed) VALUES (?, ?, ?)`, id, g.Network,
				seal(key, encode(v), templateOf(id, g.Network))); err != nil {
				return err
			}
		}
		return audit.Record(tx, actor, "person.enrol", name, fmt.Sprintf("%d pictures", len(vectors)))
	})
	if err != nil {
		return Person{}, err
	}
	b.set(&g)
	p := g.Person(name)
	return Person{p.Name, len(p.Templates), p.Enrolled}, nil
}

// alike says whether vectors are similar to those that a person has, and to one another.
func alike(p *face.Person, name string, vectors []face.Vector, threshold float64) error {
	var others []face.Vector
	if p != nil {
		others = slices.Clone(p.Templates)
	}
	for _, v := range vectors {
		best := -1.0
		for _, o := range others {
			if len(o) == len(v) {
				best = max(best, embed.Similarity(o, v))
			}
		}
		if len(others) > 0 && best < threshold {
			return &UnlikeError{name, best, threshold}
		}
		others = append(others, v)
	}
	return nil
}

// find returns a person's number and key, which are made for who is new.
func (b *Book) find(tx *sql.Tx, name string, now time.Time) (int64, cipher.AEAD, error) {
	var id int64
	var wrapped []byte
	err := tx.QueryRow(`SELECT id, key FROM people WHERE name = ?`, name).Scan(&id, &wrapped)
	if err == nil {
		key, err := b.key(id, wrapped)
		if err != nil {
			return 0, nil, fmt.Errorf("the key of %s cannot be decrypted with this device's; forget and enrol again: %w", name, err)
		}
		return id, key, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, err
	}
	raw := make([]byte, keySize)
	rand.Read(raw)
	r, err := tx.Exec(`INSERT INTO people (name, enrolled, key) VALUES (?, ?, x'')`, name, now.UnixNano())
	if err != nil {
		return 0, nil, err
	}
	if id, err = r.LastInsertId(); err != nil {
		return 0, nil, err
	}
	if _, err := tx.Exec(`UPDATE people SET key = ? WHERE id = ?`, seal(b.device, raw, keyOf(id)), id); err != nil {
		return 0, nil, err
	}
	key, err := aead(raw)
	return id, key, err
}

// Forget destroys a person's key and vectors, in the database and in its journal. It fails with ErrNobody where the name is not known.
// An *OwedError says that the person is forgotten, and that store.DB.Settle has to destroy the key in the files.
func (b *Book) Forget(ctx context.Context, actor, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var gone [][]byte
	err := b.db.Write(ctx, func(tx *sql.Tx) error {
		gone = nil
		var id int64
		var wrapped []byte
		err := tx.QueryRow(`SELECT id, key FROM people WHERE name = ?`, name).Scan(&id, &wrapped)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNobody
		}
		if err != nil {
			return err
		}
		gone = append(gone, wrapped)
		if _, err := tx.Exec(`PRAGMA secure_delete = 1`); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM templates WHERE person = ?`, `DELETE FROM people WHERE id = ?`} {
			if _, err := tx.Exec(q, id); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`PRAGMA secure_delete = 0`); err != nil {
			return err
		}
		if err := store.Owe(tx); err != nil {
			return err
		}
		return audit.Record(tx, actor, "person.forget", name, "")
	})
	if err != nil {
		return err
	}
	if old := b.now.Load(); old != nil {
		g := *old
		g.People = slices.Clone(old.People)
		g.Forget(name)
		b.set(&g)
	}
	if err := b.db.Scrub(ctx, gone...); err != nil {
		return &OwedError{err}
	}
	return nil
}
