package api

import (
	"errors"
	"net/http"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model/task/face"
)

// maxEnrol is how many pictures of a person may be sent at once.
const maxEnrol = 10

// People are those who are known.
type People struct {
	People    []people.Person `json:"people"`
	Threshold float64         `json:"threshold" about:"least similarity of pictures of one person"`
	Available bool            `json:"available" about:"faces can be compared"`
	Why       string          `json:"why,omitempty" about:"why they cannot"`
}

func listPeople(a *API, q *request) (any, error) {
	out := People{Available: true}
	if err := a.Faces.Ready(q.Context()); err != nil {
		if q.Context().Err() != nil {
			return nil, err
		}
		out.Why = err.Error()
		out.Available = !is[*people.UnavailableError](err)
	}
	if out.Available {
		var err error
		if out.Threshold, err = a.Faces.Threshold(); err != nil {
			return nil, err
		}
	}
	var err error
	out.People, err = a.People.List(q.Context())
	return out, err
}

// Enrolment is a person to be known from an event's snapshot.
type Enrolment struct {
	Name  string `json:"name"`
	Event int64  `json:"event"`
}

func enrol(a *API, q *request) (any, error) {
	var name string
	var pics []kernels.Picture
	if in, ok := q.body.(*Enrolment); ok {
		name = in.Name
		pic, err := a.faceOf(q, in.Event)
		if err != nil {
			return nil, err
		}
		pics = append(pics, pic)
	} else {
		if len(q.fields["name"]) != 1 || len(q.files["picture"]) == 0 {
			return nil, problem(http.StatusBadRequest, "the parts name and picture are meant")
		}
		name = q.fields["name"][0]
		for _, b := range q.files["picture"] {
			pic, err := decode(b)
			if err != nil {
				return nil, err
			}
			pics = append(pics, pic)
		}
	}
	if err := face.CheckName(name); err != nil {
		return nil, problem(http.StatusUnprocessableEntity, "%v", err)
	}
	return a.Faces.Enrol(q.Context(), q.who.Name, name, pics...)
}

// faceOf cuts the face of an event out of its snapshot.
func (a *API) faceOf(q *request, id int64) (kernels.Picture, error) {
	e, err := a.Store.Event(q.Context(), id)
	if err != nil {
		return kernels.Picture{}, err
	}
	if e.Box == nil {
		return kernels.Picture{}, problem(http.StatusUnprocessableEntity, "the event has no face")
	}
	b, err := a.Store.Snapshot(q.Context(), id)
	if err != nil {
		return kernels.Picture{}, err
	}
	pic, err := decode(b)
	if err != nil {
		return kernels.Picture{}, err
	}
	part, ok := around(pic, *e.Box)
	if !ok {
		return kernels.Picture{}, problem(http.StatusUnprocessableEntity, "the face of the event is too small")
	}
	return part, nil
}

func forget(a *API, q *request) (any, error) {
	err := a.People.Forget(q.Context(), q.who.Name, q.text("name"))
	var owed *people.OwedError
	if errors.As(err, &owed) {
		a.Log.Warn("a person is forgotten; the key is destroyed in the database's files as soon as nobody reads what was before", "error", owed.Err)
		return nil, nil
	}
	return nil, err
}

// Verification says whether two pictures show one person.
type Verification struct {
	Same       bool    `json:"same"`
	Similarity float64 `json:"similarity"`
	Threshold  float64 `json:"threshold"`
}

func verify(a *API, q *request) (any, error) {
	var pics [2]kernels.Picture
	for i, name := range []string{"a", "b"} {
		var err error
		if pics[i], err = q.picture(name); err != nil {
			return nil, err
		}
	}
	threshold, err := a.Faces.Threshold()
	if err != nil {
		return nil, err
	}
	similarity, err := a.Faces.Verify(q.Context(), pics[0], pics[1])
	return Verification{similarity >= threshold, similarity, threshold}, err
}

// Identities are the faces in a picture.
type Identities struct {
	Faces []Identity `json:"faces"`
}

// Identity is a face and whose it is.
type Identity struct {
	Box        [4]float64 `json:"box"`
	Score      float64    `json:"score"`
	Name       string     `json:"name" about:"unknown for a stranger"`
	Similarity float64    `json:"similarity"`
	Reason     string     `json:"reason,omitempty" about:"why the face was not compared"`
}

func identify(a *API, q *request) (any, error) {
	pic, err := q.picture("picture")
	if err != nil {
		return nil, err
	}
	list, err := a.Faces.Identify(q.Context(), pic)
	if err != nil {
		return nil, err
	}
	out := Identities{Faces: []Identity{}}
	for _, x := range list {
		out.Faces = append(out.Faces, Identity{x.Box, x.Score, x.Name, x.Similarity, x.Reason})
	}
	return out, nil
}
