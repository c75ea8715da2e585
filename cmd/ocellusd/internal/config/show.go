package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var shapeName = regexp.MustCompile("^[a-z0-9_-]{1,32}$")

// String writes an amount in the largest unit that it is a whole number of.
func (b Bytes) String() string {
	for _, u := range []struct {
		size Bytes
		name string
	}{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "KB"}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Text is the file without its secrets.
func (c *Config) Text() string { return *c.text }

// Values returns all settings under their keys, defaults included and without secrets: what can be written as JSON.
func (c *Config) Values() map[string]any {
	return values(reflect.ValueOf(c).Elem()).(map[string]any)
}

func values(v reflect.Value) any {
	switch {
	case v.Type() == durationType:
		return time.Duration(v.Int()).String()
	case v.Type() == bytesType:
		return Bytes(v.Int()).String()
	case v.Type() == secretType:
		return Secret(v.String()).String()
	case v.Type() == urlType:
		return URL(v.String()).String()
	case v.Kind() == reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			if k := key(v.Type().Field(i)); k != "" {
				m[k] = values(v.Field(i))
			}
		}
		return m
	case v.Kind() == reflect.Slice, v.Kind() == reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = values(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

// Schema returns the JSON Schema of the file, indented.
func Schema() []byte {
	s := schema(reflect.TypeFor[Config](), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "ocellusd"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: the schema: " + err.Error())
	}
	return append(b, '\n')
}

// schema describes a type, as the tag of its field bounds it.
func schema(t reflect.Type, tag reflect.StructTag) map[string]any {
	s := map[string]any{}
	switch {
	case t == durationType:
		s["type"], s["pattern"] = "string", `^(0|[0-9]+d|([0-9.]+(ns|us|µs|ms|s|m|h))+)$`
	case t == bytesType:
		s["type"], s["pattern"] = []string{"string", "integer"}, `^[0-9.]+ ?([kKMGT]i?)?B?$`
	case t.Kind() == reflect.String:
		s["type"] = "string"
	case t.Kind() == reflect.Bool:
		s["type"] = "boolean"
	case t.Kind() == reflect.Int:
		s["type"] = "integer"
	case t.Kind() == reflect.Float64:
		s["type"] = "number"
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		s["type"], s["items"] = "array", schema(t.Elem(), without(tag))
		if t.Kind() == reflect.Array {
			s["minItems"], s["maxItems"] = t.Len(), t.Len()
		}
	case t.Kind() == reflect.Struct:
		properties, need := map[string]any{}, []string{}
		for i := range t.NumField() {
			f := t.Field(i)
			if k := key(f); k != "" {
				properties[k] = schema(f.Type, f.Tag)
				if f.Tag.Get("need") != "" {
					need = append(need, k)
				}
			}
		}
		s["type"], s["properties"], s["additionalProperties"] = "object", properties, false
		if len(need) > 0 {
			s["required"] = need
		}
	}
	if about := tag.Get("about"); about != "" {
		s["description"] = about
	}
	bound(s, t, tag)
	return s
}

// without leaves of a tag what is said of the elements of a list.
func without(tag reflect.StructTag) reflect.StructTag {
	var kept []string
	for _, k := range []string{"least", "most", "one"} {
		if v, ok := tag.Lookup(k); ok {
			kept = append(kept, fmt.Sprintf("%s:%q", k, v))
		}
	}
	return reflect.StructTag(strings.Join(kept, " "))
}

// bound adds what a tag says of a scalar.
func bound(s map[string]any, t reflect.Type, tag reflect.StructTag) {
	scalar := t.Kind() != reflect.Slice && t.Kind() != reflect.Array && t.Kind() != reflect.Struct
	if !scalar {
		return
	}
	if words := strings.Fields(tag.Get("one")); len(words) > 0 {
		s["enum"] = words
	}
	if p := tag.Get("pattern"); p != "" {
		s["pattern"] = p
	}
	if number := t.Kind() == reflect.Float64 || t.Kind() == reflect.Int; number {
		for k, name := range map[string]string{"least": "minimum", "most": "maximum"} {
			if x, err := strconv.ParseFloat(tag.Get(k), 64); err == nil {
				s[name] = x
			}
		}
	}
	if text, ok := tag.Lookup("default"); ok {
		v := reflect.New(t).Elem()
		if err := setScalar(v, text); err != nil {
			panic("config: a default: " + err.Error())
		}
		s["default"] = values(v)
	}
}
