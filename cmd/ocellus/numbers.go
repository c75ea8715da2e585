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

// share is a flag's number from 0 to 1, which stays nil where it is left out.
type share struct{ to **float64 }

func (s share) Set(text string) error {
	v, err := strconv.ParseFloat(text, 64)
	if err == nil && !(v >= 0 && v <= 1) {
		return errors.New("it must be from 0 to 1")
	}
	*s.to = &v
	return err
}

func (s share) String() string {
	if s.to == nil || *s.to == nil {
		return ""
	}
	return fmt.Sprint(**s.to)
}

func (s share) Type() string { return "float" }

// positive is a flag's number above 0: 0 stands for a flag that was left out.
type positive struct{ to *int }

func (p positive) Set(s string) (err error) {
	*p.to, err = strconv.Atoi(s)
	if err == nil && *p.to <= 0 {
		return errors.New("it must be above 0")
	}
	return err
}

func (p positive) String() string {
	if p.to == nil || *p.to == 0 {
		return ""
	}
	return fmt.Sprint(*p.to)
}

func (p positive) Type() string { return "int" }
