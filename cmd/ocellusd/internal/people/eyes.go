package people

import (
	"context"
	"errors"
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

// Eyes look at the faces of pictures that are sent in, one picture at a time.
type Eyes struct {
	book      *Book
	threshold float64

	mu sync.Mutex
	r  *face.Recogniser
}

// NewEyes returns Eyes of the networks of a task that compares faces, and puts its network in use in the Book. Of those errors of Book.Use that leave
// the others known, it returns both Eyes and the error.
func NewEyes(ctx context.Context, f *tasks.Faces, b *Book) (*Eyes, error) {
	if f.Embedder == nil {
		return nil, errors.New("faces are only found, not compared: no network makes vectors of them")
	}
	r, err := f.Recogniser()
	if err != nil {
		return nil, err
	}
	err = b.Use(ctx, f.Embedder.SHA256, r.Embedder.Size())
	if b.Gallery() == nil {
		return nil, err
	}
	return &Eyes{book: b, threshold: f.Threshold, r: r}, err
}

// Threshold returns the least similarity of pictures of one person.
func (e *Eyes) Threshold() float64 { return e.threshold }

// Portrait returns the vector of the one face in a picture, which must be fit to be enrolled; else a *FaceError says what is wrong with it.
func (e *Eyes) Portrait(ctx context.Context, pic kernels.Picture) (face.Face, face.Vector, error) {
	return e.portrait(ctx, pic, face.Enrolling)
}

func (e *Eyes) portrait(ctx context.Context, pic kernels.Picture, gate face.Gate) (face.Face, face.Vector, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
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
	return e.book.Enrol(ctx, actor, name, e.threshold, vectors...)
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
	e.r.Gallery, e.r.Threshold, e.r.Gate = e.book.Gallery(), e.threshold, face.Live
	list, err := e.r.Identify(ctx, pic)
	return append([]face.Identity{}, list...), err
}
