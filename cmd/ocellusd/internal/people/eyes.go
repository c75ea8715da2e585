package people

import (
	"context"
	"sync"

	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/embed"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// FaceError says why a picture cannot be used: no face, several, or one that cannot be seen well.
type FaceError struct{ Err error }

func (e *FaceError) Error() string { return e.Err.Error() }
func (e *FaceError) Unwrap() error { return e.Err }

// UnavailableError says why faces cannot be compared.
type UnavailableError struct{ Why string }

func (e *UnavailableError) Error() string { return "faces cannot be compared: " + e.Why }

// Eyes look at the faces of pictures that are sent in, one picture at a time.
type Eyes struct {
	book *Book
	nets func() (*tasks.Faces, error)

	mu     sync.Mutex
	opened *tasks.Faces
	r      *face.Recogniser
}

// NewEyes returns Eyes of the networks that nets returns, which may be others at each call.
func NewEyes(b *Book, nets func() (*tasks.Faces, error)) *Eyes { return &Eyes{book: b, nets: nets} }

// Ready sees to it that the Book holds the people whom the networks in use know. It fails with an *UnavailableError where faces cannot be compared, and as
// Book.Use does.
func (e *Eyes) Ready(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open(ctx)
}

// open makes r that of the networks in use.
func (e *Eyes) open(ctx context.Context) error {
	f, err := e.nets()
	if err != nil {
		return &UnavailableError{err.Error()}
	}
	if f.Embedder == nil {
		return &UnavailableError{"no network makes vectors of them"}
	}
	if e.opened == nil || e.opened.Detector != f.Detector || e.opened.Embedder != f.Embedder || e.opened.Threshold != f.Threshold {
		if e.r, err = f.Recogniser(); err != nil {
			return err
		}
		e.opened = f
	}
	if g := e.book.Gallery(); g == nil || g.Network != f.Embedder.SHA256 {
		return e.book.Use(ctx, f.Embedder.SHA256, e.r.Embedder.Size())
	}
	return nil
}

// Threshold returns the least similarity of pictures of one person.
func (e *Eyes) Threshold() (float64, error) {
	f, err := e.nets()
	if err != nil {
		return 0, &UnavailableError{err.Error()}
	}
	return f.Threshold, nil
}

// Portrait returns the vector of the one face in a picture, which must be fit to be enrolled; else a *FaceError says what is wrong with it.
func (e *Eyes) Portrait(ctx context.Context, pic kernels.Picture) (face.Face, face.Vector, error) {
	return e.portrait(ctx, pic, face.Enrolling)
}

func (e *Eyes) portrait(ctx context.Context, pic kernels.Picture, gate face.Gate) (face.Face, face.Vector, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.open(ctx); err != nil {
		return face.Face{}, nil, err
	}
	e.r.Gate = gate
	f, v, err := e.r.Portrait(ctx, pic)
	if err != nil && ctx.Err() == nil {
		err = &FaceError{err}
	}
	return f, v, err
}

// Enrol makes the person in pictures known, or better known.
func (e *Eyes) Enrol(ctx context.Context, actor, name string, pics ...kernels.Picture) (Person, error) {
	var vectors []face.Vector
	for _, pic := range pics {
		_, v, err := e.Portrait(ctx, pic)
		if err != nil {
			return Person{}, err
		}
		vectors = append(vectors, v)
	}
	threshold, err := e.Threshold()
	if err != nil {
		return Person{}, err
	}
	return e.book.Enrol(ctx, actor, name, threshold, vectors...)
}

// Verify returns how similar the faces of two pictures are.
func (e *Eyes) Verify(ctx context.Context, a, b kernels.Picture) (float64, error) {
	_, v, err := e.portrait(ctx, a, face.Live)
	if err != nil {
		return 0, err
	}
	_, w, err := e.portrait(ctx, b, face.Live)
	if err != nil {
		return 0, err
	}
	return embed.Similarity(v, w), nil
}

// Identify finds the faces in a picture and says whose they are.
func (e *Eyes) Identify(ctx context.Context, pic kernels.Picture) ([]face.Identity, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.open(ctx); err != nil {
		return nil, err
	}
	e.r.Gallery, e.r.Gate = e.book.Gallery(), face.Live
	list, err := e.r.Identify(ctx, pic)
	return append([]face.Identity{}, list...), err
}
