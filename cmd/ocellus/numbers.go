package main

import (
	"errors"
	"fmt"
	"strconv"
)

// optional is a flag's number that may be left out, where any number has a meaning.
type optional struct {
	value float64
	given bool
}

func (o *optional) Set(s string) (err error) {
	o.value, err = strconv.ParseFloat(s, 64)
	o.given = true
	return err
}

func (o *optional) String() string {
	if !o.given {
		return ""
	}
	return fmt.Sprint(o.value)
}

func (o *optional) Type() string { return "float" }

// positive is a flag's number above 0: 0 stands for a flag that was left out.
type positive[T float64 | int] struct{ to *T }

func (p positive[T]) Set(s string) (err error) {
	switch to := any(p.to).(type) {
	case *float64:
		*to, err = strconv.ParseFloat(s, 64)
	case *int:
		*to, err = strconv.Atoi(s)
	}
	if err == nil && !(*p.to > 0) {
		return errors.New("it must be above 0")
	}
	return err
}

func (p positive[T]) String() string {
	if p.to == nil || *p.to == 0 {
		return ""
	}
	return fmt.Sprint(*p.to)
}

func (p positive[T]) Type() string {
	if _, ok := any(p.to).(*int); ok {
		return "int"
	}
	return "float"
}
