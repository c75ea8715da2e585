package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/cmd/ocellusd/internal/auth"
)

// object is one of JSON.
type object = map[string]any

// OpenAPI returns the description of the API, in OpenAPI 3.1, indented.
func OpenAPI(version string) []byte {
	s := &schemas{names: map[reflect.Type]string{}, list: object{}}
	paths := object{}
	for i := range table {
		e := &table[i]
		item, _ := paths[e.path].(object)
		if item == nil {
			item = object{}
			paths[e.path] = item
		}
		item[strings.ToLower(e.method)] = s.operation(e)
	}
	s.of(reflect.TypeFor[Problem]())
	doc := object{
		"openapi": "3.1.0",
		"info": object{"title": "ocellusd", "version": version, "license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
			"description": "Cameras in, events out. Boxes are [x, y, width, height] in pixels of the frame, times RFC 3339 with nanoseconds, scores in 0..1."},
		"servers": []any{object{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": s.list,
			"securitySchemes": object{
				"session": object{"type": "apiKey", "in": "cookie", "name": cookieName, "description": "of POST /api/v1/login; over TLS its name begins with __Host-. Unsafe methods repeat the csrf of GET /api/v1/session in " + csrfHeader},
				"token":   object{"type": "http", "scheme": "bearer", "description": "of POST /api/v1/tokens"},
			},
			"responses": object{"problem": object{"description": "what is wrong", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}},
		},
	}
	b, err := json.MarshalIndent(doc, "", " ")
	if err != nil {
		panic("api: the description cannot be written: " + err.Error())
	}
	return append(b, '\n')
}

// schemas are the types that were described so far.
type schemas struct {
	names map[reflect.Type]string
	list  object
}

func (s *schemas) operation(e *endpoint) object {
	o := object{"operationId": e.id, "summary": e.about}
	if e.role == auth.Anyone {
		o["security"] = []any{}
	} else {
		o["security"] = []any{object{"session": []any{}}, object{"token": []any{}}}
		o["description"] = "For the role " + e.role.String() + "."
	}
	var params []any
	for i := range e.params {
		p := &e.params[i]
		where := "query"
		if e.inPath(p) {
			where = "path"
		}
		params = append(params, object{"name": p.name, "in": where, "required": p.need || where == "path", "description": p.about, "schema": p.schema()})
	}
	if params != nil {
		o["parameters"] = params
	}
	if len(e.body) > 0 {
		content := object{}
		for _, f := range e.body {
			content[f.media] = s.form(&f)
		}
		o["requestBody"] = object{"required": true, "content": content}
	}
	status := e.answer.status
	if status == 0 {
		status = http.StatusOK
	}
	good := object{"description": e.answer.about}
	if e.answer.of != nil || e.answer.media != "" {
		media, schema := "application/json", object{}
		if e.answer.of != nil {
			schema = s.of(e.answer.of)
		}
		if e.answer.media != "" {
			media = e.answer.media
		}
		good["content"] = object{media: object{"schema": schema}}
	}
	o["responses"] = object{strconv.Itoa(status): good, "default": object{"$ref": "#/components/responses/problem"}}
	return o
}

func (s *schemas) form(f *form) object {
	switch {
	case f.of != nil:
		return object{"schema": s.of(f.of)}
	case len(f.parts) == 0:
		return object{}
	}
	properties, need := object{}, []string{}
	for _, p := range f.parts {
		one := object{"type": "string"}
		if p.file {
			one = object{"type": "string", "contentMediaType": "image/*"}
		}
		if p.most > 1 {
			one = object{"type": "array", "items": one, "minItems": 1, "maxItems": p.most}
		}
		one["description"] = p.about
		properties[p.name] = one
		need = append(need, p.name)
	}
	return object{"schema": object{"type": "object", "properties": properties, "required": need, "additionalProperties": false}}
}

func (p *param) schema() object {
	switch p.kind {
	case integer:
		return object{"type": "integer", "minimum": p.least, "maximum": p.most}
	case instant:
		return object{"type": "string", "format": "date-time"}
	case flag:
		return object{"type": "string", "enum": []string{"0", "1", "true", "false"}}
	}
	o := object{"type": "string", "minLength": 1, "maxLength": p.most}
	if len(p.one) > 0 {
		o["enum"] = p.one
	}
	return o
}

// of describes a type as it is written in JSON.
func (s *schemas) of(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[auth.Role]():
		return object{"type": "string", "enum": []string{"viewer", "operator", "admin"}}
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return object{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return object{"anyOf": []any{s.of(t.Elem()), object{"type": "null"}}}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.structure(t)
	}
	panic(fmt.Sprintf("api: a %v cannot be described", t))
}

// structure describes one once, and refers to it.
func (s *schemas) structure(t reflect.Type) object {
	if s.names[t] == "" {
		name := t.Name()
		for slices.Contains(slices.Collect(maps.Values(s.names)), name) {
			name += "_"
		}
		s.names[t] = name
		properties, need := object{}, []string{}
		s.members(t, properties, &need)
		o := object{"type": "object", "properties": properties}
		if len(need) > 0 {
			o["required"] = need
		}
		s.list[name] = o
	}
	return object{"$ref": "#/components/schemas/" + s.names[t]}
}

func (s *schemas) members(t reflect.Type, properties object, need *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.members(f.Type, properties, need)
			continue
		}
		name, optional := jsonName(f)
		if name == "" {
			continue
		}
		one := s.of(f.Type)
		if about := f.Tag.Get("about"); about != "" {
			if _, ref := one["$ref"]; ref {
				one = object{"allOf": []any{one}}
			}
			one["description"] = about
		}
		properties[name] = one
		if !optional {
			*need = append(*need, name)
		}
	}
}
