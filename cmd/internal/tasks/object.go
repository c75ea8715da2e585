package tasks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Object is a JSON object that is written member by member, in the order of Add. The zero Object is empty.
type Object struct {
	b   []byte
	err error
}

// Add adds a member.
func (o *Object) Add(key string, value any) {
	v, err := marshal(value)
	if err != nil {
		if o.err == nil {
			o.err = fmt.Errorf("%s: %w", key, err)
		}
		return
	}
	k, _ := marshal(key) // a string always can
	sep := byte(',')
	if len(o.b) == 0 {
		sep = '{'
	}
	o.b = append(append(append(append(o.b, sep), k...), ':'), v...)
}

// Write writes the object on one line and empties it.
func (o *Object) Write(w io.Writer) error {
	if len(o.b) == 0 {
		o.b = append(o.b, '{')
	}
	err := o.err
	if err == nil {
		_, err = w.Write(append(o.b, '}', '\n'))
	}
	o.b, o.err = o.b[:0], nil
	return err
}

// marshal is json.Marshal without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
