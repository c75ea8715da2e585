package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
)

// endpoint is a row of the table that drives handlers, documentation and tests.
type endpoint struct {
	method, path string // as ServeMux writes it
	id           string // unique, for clients that are generated
	about        string
	role         auth.Role // the least one
	params       []param
	body         []form // that are taken; none: no body
	answer       answer
	work         work
	do           func(a *API, r *request) (any, error)
}

// work is how much of the device an endpoint takes.
type work int

const (
	light  work = iota // is answered at once
	heavy              // looks at pictures or networks: a few at a time
	stream             // goes on for as long as somebody looks
)

// kind is what a parameter is.
type kind int

const (
	text kind = iota
	integer
	instant // RFC 3339
	flag    // 0, 1, true, false
)

// param is a parameter of the path or, where the path has none of its name, of the query.
type param struct {
	name        string
	kind        kind
	about       string
	need        bool
	least, most int64    // of an integer; of a text, most characters
	one         []string // words that are allowed
}

// form is how a body may come.
type form struct {
	media string       // content type
	of    reflect.Type // of application/json
	parts []part       // of multipart/form-data
	most  int64        // bytes
}

// part is one of a body of several.
type part struct {
	name  string
	about string
	file  bool // a picture
	most  int  // how often it may come
}

// answer is what comes back where all is well.
type answer struct {
	status int          // 0: 200
	media  string       // "": application/json
	of     reflect.Type // nil: nothing
	about  string
}

// raw is an answer that is not JSON.
type raw struct {
	media string
	bytes []byte
	tag   string // that tells one state of it from another; "" for none
}

// streamed says that an answer has been written already.
type streamed struct{}

// mb is 10^6 bytes.
const mb = 1000 * 1000

func jsonForm[T any]() form {
	return form{media: "application/json", of: reflect.TypeFor[T](), most: 256 << 10}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

func gives[T any](about string) answer { return answer{of: reflect.TypeFor[T](), about: about} }

func none(about string) answer { return answer{status: http.StatusNoContent, about: about} }

// inPath says whether a parameter is one of the path.
func (e *endpoint) inPath(p *param) bool { return strings.Contains(e.path, "{"+p.name+"}") }

// request is one that was let through: its parameters and its body are what the table says.
type request struct {
	*http.Request
	w       http.ResponseWriter
	who     auth.Identity
	cookie  string // of the session; "" for none
	values  map[string]any
	body    any                 // of application/json, a pointer
	blob    []byte              // a body that is one file
	fields  map[string][]string // of several parts, texts
	files   map[string][][]byte // and pictures
	present bool                // a body came
}

func (r *request) text(name string) string { v, _ := r.values[name].(string); return v }
func (r *request) int(name string) int64   { v, _ := r.values[name].(int64); return v }
func (r *request) flag(name string) bool   { v, _ := r.values[name].(bool); return v }
func (r *request) time(name string) time.Time {
	v, _ := r.values[name].(time.Time)
	return v
}

// readParams fills values.
func (e *endpoint) readParams(r *request) error {
	r.values = map[string]any{}
	query := r.URL.Query()
	for i := range e.params {
		p := &e.params[i]
		var given []string
		if e.inPath(p) {
			given = []string{r.PathValue(p.name)}
		} else {
			given = query[p.name]
		}
		switch {
		case len(given) == 0 && p.need:
			return problem(http.StatusBadRequest, "the parameter %q is missing", p.name)
		case len(given) == 0:
			continue
		case len(given) > 1:
			return problem(http.StatusBadRequest, "the parameter %q is there %d times", p.name, len(given))
		case given[0] == "" && !p.need && !e.inPath(p):
			continue
		}
		v, err := p.read(given[0])
		if err != nil {
			return problem(http.StatusBadRequest, "the parameter %q: %v", p.name, err)
		}
		r.values[p.name] = v
	}
	return nil
}

func (p *param) read(s string) (any, error) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return nil, errors.New("it is no UTF-8 text")
	}
	switch p.kind {
	case integer:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < p.least || n > p.most {
			return nil, fmt.Errorf("it is no whole number from %d to %d", p.least, p.most)
		}
		return n, nil
	case instant:
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || t.Year() < 1970 || t.Year() > 2200 {
			return nil, errors.New("it is no time such as 2026-03-04T05:06:07Z, of the years 1970 to 2200")
		}
		return t, nil
	case flag:
		switch s {
		case "1", "true":
			return true, nil
		case "0", "false":
			return false, nil
		}
		return nil, errors.New("it is neither 1 nor 0")
	}
	if len(p.one) > 0 && !slices.Contains(p.one, s) {
		return nil, fmt.Errorf("it is none of %s", strings.Join(p.one, ", "))
	}
	if n := utf8.RuneCountInString(s); n > int(p.most) || n == 0 {
		return nil, fmt.Errorf("it has %d characters; 1 to %d are meant", n, p.most)
	}
	return s, nil
}

// readBody fills what of the request the body is.
func (e *endpoint) readBody(r *request) error {
	if len(e.body) == 0 {
		// Browsers and clients send empty ones; what is in others is not looked at.
		return nil
	}
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	for i := range e.body {
		f := &e.body[i]
		if f.media != media && !(f.media == "image/*" && (strings.HasPrefix(media, "image/") || media == "application/octet-stream")) {
			continue
		}
		if r.ContentLength > f.most {
			return tooLarge(f.most)
		}
		in := http.MaxBytesReader(r.w, r.Body, f.most)
		switch {
		case f.of != nil:
			err = f.readJSON(r, in)
		case len(f.parts) > 0:
			err = f.readParts(r, in, params["boundary"])
		default:
			r.blob, err = io.ReadAll(in)
		}
		var large *http.MaxBytesError
		var p *Problem
		switch {
		case err == nil:
			r.present = true
			return nil
		case errors.As(err, &large):
			return tooLarge(f.most)
		case errors.As(err, &p):
			return p
		}
		return problem(http.StatusBadRequest, "the body cannot be read: %v", err)
	}
	var list []string
	for _, f := range e.body {
		list = append(list, f.media)
	}
	return problem(http.StatusUnsupportedMediaType, "a body of %s is meant, as Content-Type says", strings.Join(list, " or "))
}

func tooLarge(most int64) *Problem {
	return problem(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", most)
}

// readJSON reads one object without unknown members, and with all that are needed.
func (f *form) readJSON(r *request, in io.Reader) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return problem(http.StatusBadRequest, "the body is no UTF-8 text")
	}
	v := reflect.New(f.of)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(v.Interface())
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("more than one object")
		}
	}
	if err != nil {
		return problem(http.StatusBadRequest, "the body is not what is meant: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || members == nil {
		return problem(http.StatusBadRequest, "the body is no JSON object")
	}
	for i := range f.of.NumField() {
		name, optional := jsonName(f.of.Field(i))
		if _, there := members[name]; name != "" && !optional && !there {
			return problem(http.StatusBadRequest, "the member %q is missing", name)
		}
	}
	r.body = v.Interface()
	return nil
}

// jsonName returns the name under which a field is written; "" for none. Optional ones may be left out.
func jsonName(f reflect.StructField) (name string, optional bool) {
	name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" || !f.IsExported() {
		return "", true
	}
	return name, strings.Contains(rest, "omit")
}
