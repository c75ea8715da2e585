package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// event is one line of "go test -json"; see "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Output     string
	Elapsed    float64
}

// log follows the events of one "go test -json", prints a line for each package and the output of what failed, and counts.
type log struct {
	counts
	out      io.Writer
	output   map[[2]string][]string // of a package and test, while it runs
	built    map[string][]string    // messages of the compiler, by import path
	packages map[string]*counts
	skips    map[string]int // how many tests of a package gave this reason
}

func newLog(out io.Writer) *log {
	return &log{out: out, output: map[[2]string][]string{}, built: map[string][]string{}, packages: map[string]*counts{}, skips: map[string]int{}}
}

// read follows events until the stream ends.
func (l *log) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(l.out, "    %s", line) // not of the test: a message of the go command
			} else {
				l.event(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *log) event(e event) {
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		l.built[e.ImportPath] = append(l.built[e.ImportPath], e.Output)
	case "output":
		l.output[key] = append(l.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			l.endPackage(e)
		} else {
			l.endTest(e)
		}
		delete(l.output, key)
	}
}

func (l *log) endTest(e event) {
	c := l.packages[e.Package]
	if c == nil {
		c = new(counts)
		l.packages[e.Package] = c
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "skip":
		c.skipped++
		l.skips[reason(l.output[[2]string{e.Package, e.Test}])]++
	case "fail":
		c.failed++
		fmt.Fprintf(l.out, "--- FAIL: %s %s\n", e.Package, e.Test)
		l.print(l.output[[2]string{e.Package, e.Test}])
	}
}

func (l *log) endPackage(e event) {
	c := l.packages[e.Package]
	if c == nil {
		c = new(counts)
	}
	if e.Action == "fail" && c.failed == 0 { // it did not build, or ended before a test could fail
		c.failed++
		fmt.Fprintf(l.out, "--- FAIL: %s\n", e.Package)
		for _, text := range l.built {
			l.print(text)
		}
		clear(l.built)
		l.print(l.output[[2]string{e.Package, ""}])
		for key, text := range l.output {
			if key[0] == e.Package && key[1] != "" {
				l.print(text)
			}
		}
	}
	if *c == (counts{}) {
		return // none of its tests was asked for
	}
	state := "ok  "
	if c.failed > 0 {
		state = "FAIL"
	}
	fmt.Fprintf(l.out, "    %s %-32s %s (%.1f s)\n", state, short(e.Package), c, e.Elapsed)
	for why, n := range l.skips {
		fmt.Fprintf(l.out, "         skipped %d: %s\n", n, why)
	}
	clear(l.skips)
	l.counts.add(*c)
}

// print writes the output of a test but for the lines that only frame it.
func (l *log) print(text []string) {
	for _, s := range text {
		if !strings.HasPrefix(s, "=== ") {
			io.WriteString(l.out, s)
		}
	}
}

// reason returns what a skipped test said.
func reason(text []string) string {
	for _, s := range slices.Backward(text) {
		s = strings.TrimSpace(s)
		if s != "" && !strings.HasPrefix(s, "--- SKIP") && !strings.HasPrefix(s, "=== ") {
			return s
		}
	}
	return "no reason given"
}

// short returns an import path without the module's host and owner.
func short(pkg string) string {
	parts := strings.SplitN(pkg, "/", 4)
	if len(parts) < 4 {
		return path.Base(pkg)
	}
	return parts[3]
}
