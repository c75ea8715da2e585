package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/teach"
	"github.com/ocellus-vision/ocellus/model/train/finetune"
)

// secondOpinion is the task of the classifier that is taught.
const secondOpinion = "second_opinion"

// builtIn is the version of the network that the settings name.
const builtIn = "built-in"

// Teaching is what is learnt, and what came of it.
type Teaching struct {
	Available bool           `json:"available"`
	Why       string         `json:"why,omitempty" about:"why nothing can be taught"`
	Labels    []string       `json:"labels" about:"classes that are told apart"`
	Minimum   int            `json:"minimum" about:"examples of each class that a lesson needs"`
	Examples  map[string]int `json:"examples" about:"by label"`
	Job       *teach.Job     `json:"job" about:"the lesson that runs"`
	History   []teach.Lesson `json:"history" about:"the newest first"`
}

func getTeaching(a *API, q *request) (any, error) {
	out := Teaching{Available: true, Labels: []string{}, Minimum: teach.MinExamples, Job: a.Teach.Job()}
	if err := a.Teach.Available(); err != nil {
		out.Available, out.Why = false, err.Error()
	}
	if labels := a.Teach.Labels(); labels != nil {
		out.Labels = labels
	}
	var err error
	if out.Examples, err = a.Teach.Examples(q.Context()); err != nil {
		return nil, err
	}
	out.History, err = a.Teach.History(q.Context(), 50)
	return out, err
}

// Started is a lesson that has begun.
type Started struct {
	ID int64 `json:"id"`
}

func startLesson(a *API, q *request) (any, error) {
	id, err := a.Teach.Start(q.Context(), q.who.Name)
	return Started{id}, err
}

func stopLesson(a *API, q *request) (any, error) {
	return nil, a.Teach.Stop(q.Context(), q.who.Name)
}

// Models are the networks that are there.
type Models struct {
	Models []Model `json:"models"`
}

// Model is a network.
type Model struct {
	Task    string           `json:"task"`
	Version string           `json:"version"`
	Active  bool             `json:"active"`
	Time    *time.Time       `json:"time,omitempty"`
	Source  string           `json:"source" about:"where it comes from"`
	SHA256  string           `json:"sha256,omitempty"`
	Figures []finetune.Group `json:"figures" about:"of a lesson: before and after, in percent"`
}

func listModels(a *API, q *request) (any, error) {
	out := Models{Models: []Model{}}
	sent, err := a.Models.List(q.Context())
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, m := range sent {
		used[m.Task] = used[m.Task] || m.Active
	}
	for _, m := range a.Watch.Models() {
		one := Model{Task: m.Task, Version: builtIn, Active: !used[m.Task], Source: "the program or the settings", Figures: []finetune.Group{}}
		if one.Active {
			one.SHA256, one.Source = m.SHA256, m.Name
		}
		out.Models = append(out.Models, one)
	}
	for _, m := range sent {
		at := m.Time
		out.Models = append(out.Models, Model{m.Task, strconv.FormatInt(m.ID, 10), m.Active, &at, "sent by " + m.Source, m.SHA256, []finetune.Group{}})
	}
	versions, err := a.Teach.Versions(q.Context())
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		at := v.Time
		one := Model{secondOpinion, strconv.Itoa(v.Number), v.Active, &at, "a lesson", "", v.Table}
		if one.Figures == nil {
			one.Figures = []finetune.Group{}
		}
		if v.Base {
			one.Source = "what lessons began with"
		}
		out.Models = append(out.Models, one)
	}
	return out, nil
}

func sendModel(a *API, q *request) (any, error) {
	m, err := a.Models.Add(q.Context(), q.who.Name, q.text("task"), q.blob)
	if err != nil {
		return nil, err
	}
	at := m.Time
	return Model{m.Task, strconv.FormatInt(m.ID, 10), m.Active, &at, "sent by " + m.Source, m.SHA256, []finetune.Group{}}, nil
}

// Activation names the network that is to be in force.
type Activation struct {
	Version string `json:"version" about:"of GET /api/v1/models"`
}

func activateModel(a *API, q *request) (any, error) {
	task, version := q.text("task"), q.body.(*Activation).Version
	id, err := strconv.ParseInt(version, 10, 32)
	if version == builtIn && task != secondOpinion {
		id, err = 0, nil
	} else if err != nil || id < 1 {
		return nil, models.ErrNone
	}
	// What was begun is brought to its end, so that what is in force and what is written down are the same.
	ctx := context.WithoutCancel(q.Context())
	if task == secondOpinion {
		return nil, a.Teach.Activate(ctx, q.who.Name, int(id))
	}
	return nil, a.Models.Activate(ctx, q.who.Name, task, id)
}

func removeModel(a *API, q *request) (any, error) {
	id, err := strconv.ParseInt(q.text("version"), 10, 32)
	if err != nil || q.text("task") == secondOpinion {
		return nil, problem(http.StatusNotFound, "only networks that were sent are removed, by their number")
	}
	return nil, a.Models.Remove(q.Context(), q.who.Name, q.text("task"), id)
}
