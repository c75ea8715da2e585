package api

import (
	"encoding/json"
	"math"
	"net/http"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/models"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/people"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/store"
	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/watch"
)

// Parameters that several have.
var (
	cameraName = param{name: "name", about: "of a camera", need: true, most: 64}
	eventID    = param{name: "id", kind: integer, about: "of an event", need: true, least: 1, most: math.MaxInt64}
	personName = param{name: "name", about: "of a person", need: true, most: 64}
	userName   = param{name: "name", about: "of a user", need: true, most: 64}
	overlay    = param{name: "overlay", kind: flag, about: "1: with what is seen"}
	before     = param{name: "before", kind: integer, about: "only those with lower numbers: next of the page before", least: 1, most: math.MaxInt64}
)

// modelTasks are what a network can be for.
var modelTasks = append([]string{secondOpinion}, models.Tasks...)

// table lists all that can be asked. Handlers, the OpenAPI description and tests are made of it.
var table []endpoint

func init() {
	table = []endpoint{
		{method: "GET", path: "/healthz", id: "health", about: "Whether the program lives", role: auth.Anyone, answer: gives[Health]("it does"), do: health},
		{method: "GET", path: "/readyz", id: "ready", about: "Whether the program can do its work", role: auth.Anyone, answer: gives[Health]("it can"), do: ready},
		{method: "GET", path: "/metrics", id: "metrics", about: "Figures for Prometheus", role: auth.Viewer,
			answer: answer{media: "text/plain", about: "Prometheus text format"}, do: metrics},
		{method: "GET", path: "/api/v1/openapi.json", id: "openAPI", about: "This description", role: auth.Anyone, answer: answer{media: "application/json", about: "OpenAPI 3.1"}, do: openAPI},

		{method: "POST", path: "/api/v1/setup", id: "setup", about: "Make the first user, an administrator, by the one-time link", role: auth.Anyone,
			body: []form{jsonForm[Setup]()}, answer: none("made, and a session begun"), do: setup},
		{method: "POST", path: "/api/v1/login", id: "login", about: "Begin a session", role: auth.Anyone, body: []form{jsonForm[Login]()}, answer: none("a cookie is set"), do: login},
		{method: "POST", path: "/api/v1/logout", id: "logout", about: "End the session", role: auth.Anyone, answer: none("ended"), do: logout},
		{method: "GET", path: "/api/v1/session", id: "session", about: "Who asks", role: auth.Anyone, answer: gives[Session]("the user and the role"), do: session},

		{method: "GET", path: "/api/v1/cameras", id: "listCameras", about: "How the cameras do", role: auth.Viewer, answer: gives[Cameras]("all cameras"), do: listCameras},
		{method: "GET", path: "/api/v1/cameras/{name}/frame.jpg", id: "cameraFrame", about: "The newest frame", role: auth.Viewer, params: []param{cameraName, overlay},
			answer: answer{media: "image/jpeg", about: "the frame; X-Frame-Time says when it was captured"}, do: cameraFrame},
		{method: "GET", path: "/api/v1/cameras/{name}/stream.mjpg", id: "streamFrames", about: "Frames as they come, at most ten a second", role: auth.Viewer,
			params: []param{cameraName, overlay}, answer: answer{media: "multipart/x-mixed-replace", about: "JPEGs"}, work: stream, do: streamFrames},
		{method: "PUT", path: "/api/v1/cameras/{name}/zones", id: "setShapes", about: "Set the zones and lines of a camera", role: auth.Operator, params: []param{cameraName},
			body: []form{jsonForm[Shapes]()}, answer: none("set"), do: setShapes},
		{method: "PUT", path: "/api/v1/cameras/{name}/armed", id: "setArmed", about: "Say whether a camera makes events", role: auth.Operator, params: []param{cameraName},
			body: []form{jsonForm[Armed]()}, answer: none("set"), do: setArmed},

		{method: "GET", path: "/api/v1/events", id: "listEvents", about: "Events, the newest first", role: auth.Viewer,
			params: []param{{name: "camera", about: "only of a camera", most: 64}, {name: "kind", about: "only of a kind", most: 32, one: store.Kinds},
				{name: "name", about: "only of a person", most: 64}, {name: "since", kind: instant, about: "only from this time on"}, {name: "until", kind: instant, about: "only before this time"},
				{name: "feedback", about: "only with a verdict", most: 8, one: []string{store.Right, store.Wrong, "any", "none"}}, before,
				{name: "limit", kind: integer, about: "how many at most; left out: 50", least: 1, most: 500}},
			answer: gives[Events]("a page"), do: listEvents},
		{method: "GET", path: "/api/v1/events/stream", id: "streamEvents", about: "Events as they come, after Last-Event-ID where it is given", role: auth.Viewer,
			answer: answer{media: "text/event-stream", about: "Server-Sent Events: event: event, id: the event's, data: as in GET /api/v1/events"}, work: stream, do: streamEvents},
		{method: "GET", path: "/api/v1/events/{id}", id: "getEvent", about: "One event", role: auth.Viewer, params: []param{eventID}, answer: gives[store.Event]("the event"), do: getEvent},
		{method: "DELETE", path: "/api/v1/events/{id}", id: "deleteEvent", about: "Delete an event, its snapshot, and the example made of it", role: auth.Operator, params: []param{eventID},
			answer: none("deleted"), do: deleteEvent},
		{method: "GET", path: "/api/v1/events/{id}/snapshot.jpg", id: "eventSnapshot", about: "The frame of an event", role: auth.Viewer, params: []param{eventID},
			answer: answer{media: "image/jpeg", about: "the frame"}, do: eventSnapshot},
		{method: "POST", path: "/api/v1/events/{id}/feedback", id: "judgeEvent", about: "Say whether an event is right", role: auth.Operator, params: []param{eventID},
			body: []form{jsonForm[Verdict]()}, answer: gives[Judged]("noted"), do: judgeEvent},

		{method: "GET", path: "/api/v1/tracks", id: "listTracks", about: "People and faces that were followed, those that were given up last first", role: auth.Viewer,
			params: []param{{name: "camera", about: "only of a camera", most: 64}, {name: "task", about: "only of a task", most: 32, one: []string{watch.Pedestrians, watch.Faces}},
				{name: "since", kind: instant, about: "only those that were seen from this time on"}, {name: "until", kind: instant, about: "only those that were seen before this time"}, before,
				{name: "limit", kind: integer, about: "how many at most; left out: 50", least: 1, most: 500}},
			answer: gives[Tracks]("a page"), do: listTracks},

		{method: "GET", path: "/api/v1/people", id: "listPeople", about: "The people who are known by their faces", role: auth.Viewer, answer: gives[People]("everyone"), do: listPeople},
		{method: "POST", path: "/api/v1/people", id: "enrol", about: "Make a person known, from pictures or from an event", role: auth.Operator,
			body: []form{{media: "multipart/form-data", most: maxEnrol*maxPicture/4 + 64<<10, parts: []part{{name: "name", about: "of the person", most: 1},
				{name: "picture", about: "of one face", file: true, most: maxEnrol}}}, jsonForm[Enrolment]()},
			answer: answer{status: http.StatusCreated, of: typeOf[people.Person](), about: "the person"}, work: heavy, do: enrol},
		{method: "DELETE", path: "/api/v1/people/{name}", id: "forget", about: "Forget a person: the key of the person's vectors is destroyed", role: auth.Operator, params: []param{personName},
			answer: none("forgotten; files of the database that are read meanwhile are rid of the key as soon as that can be"), do: forget},
		{method: "POST", path: "/api/v1/verify", id: "verify", about: "Whether two pictures show one person", role: auth.Operator,
			body:   []form{{media: "multipart/form-data", most: 2*maxPicture + 64<<10, parts: []part{{name: "a", about: "a picture", file: true, most: 1}, {name: "b", about: "another", file: true, most: 1}}}},
			answer: gives[Verification]("the answer"), work: heavy, do: verify},
		{method: "POST", path: "/api/v1/identify", id: "identify", about: "Whose the faces in a picture are", role: auth.Operator, body: pictureForms(),
			answer: gives[Identities]("the faces"), work: heavy, do: identify},
		{method: "POST", path: "/api/v1/infer", id: "infer", about: "Look at a picture with a task", role: auth.Viewer,
			params: []param{{name: "task", about: "pedestrians, scene or faces", need: true, most: 32, one: []string{"pedestrians", "scene", "faces"}}}, body: pictureForms(),
			answer: gives[json.RawMessage]("width, height and what the task sees"), work: heavy, do: infer},

		{method: "GET", path: "/api/v1/teach", id: "getTeaching", about: "What is learnt from verdicts", role: auth.Viewer, answer: gives[Teaching]("examples and lessons"), do: getTeaching},
		{method: "POST", path: "/api/v1/teach/jobs", id: "startLesson", about: "Begin a lesson", role: auth.Operator,
			answer: answer{status: http.StatusAccepted, of: typeOf[Started](), about: "it goes on by itself"}, do: startLesson},
		{method: "DELETE", path: "/api/v1/teach/jobs/current", id: "stopLesson", about: "Stop the lesson that runs", role: auth.Operator, answer: none("stopped"), do: stopLesson},

		{method: "GET", path: "/api/v1/models", id: "listModels", about: "The networks that are there", role: auth.Viewer, answer: gives[Models]("all networks"), do: listModels},
		{method: "POST", path: "/api/v1/models", id: "sendModel", about: "Send a network for a task", role: auth.Admin,
			params: []param{{name: "task", about: "what it is for", need: true, most: 32, one: models.Tasks}},
			body:   []form{{media: "application/octet-stream", most: models.MaxBytes}, {media: "application/onnx", most: models.MaxBytes}},
			answer: answer{status: http.StatusCreated, of: typeOf[Model](), about: "kept, and not in force yet"}, work: heavy, do: sendModel},
		{method: "POST", path: "/api/v1/models/{task}/activate", id: "activateModel", about: "Put a network in force, or take one back", role: auth.Admin,
			params: []param{{name: "task", about: "what it is for", need: true, most: 32, one: modelTasks}}, body: []form{jsonForm[Activation]()}, answer: none("in force"), work: heavy, do: activateModel},
		{method: "DELETE", path: "/api/v1/models/{task}/{version}", id: "removeModel", about: "Remove a network that was sent", role: auth.Admin,
			params: []param{{name: "task", about: "what it is for", need: true, most: 32, one: modelTasks}, {name: "version", about: "its number", need: true, most: 32}}, answer: none("removed"), do: removeModel},

		{method: "GET", path: "/api/v1/config", id: "getSettings", about: "The settings in force, without secrets", role: auth.Admin, answer: gives[Settings]("the settings"), do: getSettings},
		{method: "GET", path: "/api/v1/config/schema.json", id: "settingsSchema", about: "JSON Schema of the settings", role: auth.Viewer,
			answer: answer{media: "application/schema+json", about: "JSON Schema"}, do: settingsSchema},
		{method: "GET", path: "/api/v1/system", id: "system", about: "How the device does", role: auth.Viewer, answer: gives[System]("memory, disk, load and more"), do: system},

		{method: "GET", path: "/api/v1/users", id: "listUsers", about: "Those with a password", role: auth.Admin, answer: gives[Users]("everyone"), do: listUsers},
		{method: "POST", path: "/api/v1/users", id: "addUser", about: "Add a user", role: auth.Admin, body: []form{jsonForm[NewUser]()}, answer: answer{status: http.StatusCreated, about: "added"}, do: addUser},
		{method: "PUT", path: "/api/v1/users/{name}/password", id: "setPassword", about: "Give a user another password; all sessions of the user end", role: auth.Admin, params: []param{userName},
			body: []form{jsonForm[Password]()}, answer: none("set"), do: setPassword},
		{method: "DELETE", path: "/api/v1/users/{name}", id: "removeUser", about: "Remove a user", role: auth.Admin, params: []param{userName}, answer: none("removed"), do: removeUser},
		{method: "GET", path: "/api/v1/tokens", id: "listTokens", about: "Passes of programs", role: auth.Admin, answer: gives[Tokens]("all tokens"), do: listTokens},
		{method: "POST", path: "/api/v1/tokens", id: "addToken", about: "Make a token", role: auth.Admin, body: []form{jsonForm[NewToken]()},
			answer: answer{status: http.StatusCreated, of: typeOf[MadeToken](), about: "the token, shown this once"}, do: addToken},
		{method: "DELETE", path: "/api/v1/tokens/{id}", id: "removeToken", about: "Remove a token", role: auth.Admin,
			params: []param{{name: "id", kind: integer, about: "of a token", need: true, least: 1, most: math.MaxInt64}}, answer: none("removed"), do: removeToken},
		{method: "GET", path: "/api/v1/audit", id: "listAudit", about: "Who did what, the newest first", role: auth.Admin,
			params: []param{before, {name: "limit", kind: integer, about: "how many at most; left out: 100", least: 1, most: 500}}, answer: gives[Audit]("a page"), do: listAudit},
	}
}
