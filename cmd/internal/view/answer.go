package view

import (
	"slices"
	"strings"
)

// saysSixel reads a terminal's answer to DA1: ESC [ ? class ; attribute ; attribute ... c.
func saysSixel(answer string) bool {
	_, list, ok := strings.Cut(answer, "\x1b[?")
	list, _, end := strings.Cut(list, "c")
	return ok && end && slices.Contains(strings.Split(list, ";")[1:], "4")
}
