package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLogCounts(t *testing.T) {
	for _, c := range []struct {
		name, events string
		want         counts
		output       []string
	}{
		{"passed, failed and skipped", `
			{"Action":"run","Package":"h/o/m/a","Test":"TestA"}
			{"Action":"output","Package":"h/o/m/a","Test":"TestA","Output":"=== RUN   TestA\n"}
			{"Action":"pass","Package":"h/o/m/a","Test":"TestA/sub"}
			{"Action":"pass","Package":"h/o/m/a","Test":"TestA"}
			{"Action":"output","Package":"h/o/m/a","Test":"TestB","Output":"    a_test.go:7: wrong sum\n"}
			{"Action":"fail","Package":"h/o/m/a","Test":"TestB"}
			{"Action":"output","Package":"h/o/m/a","Test":"TestC","Output":"    a_test.go:9: no camera here\n"}
			{"Action":"output","Package":"h/o/m/a","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
			{"Action":"skip","Package":"h/o/m/a","Test":"TestC"}
			{"Action":"fail","Package":"h/o/m/a","Elapsed":1}`,
			counts{2, 1, 1}, []string{"wrong sum", "no camera here", "FAIL a "}},
		{"a package that does not build", `
			{"ImportPath":"h/o/m/a","Action":"build-output","Output":"a.go:3: undefined: f\n"}
			{"ImportPath":"h/o/m/a","Action":"build-fail"}
			{"Action":"output","Package":"h/o/m/a","Output":"FAIL\th/o/m/a [build failed]\n"}
			{"Action":"fail","Package":"h/o/m/a","FailedBuild":"h/o/m/a"}`,
			counts{0, 1, 0}, []string{"undefined: f", "build failed"}},
		{"a crash in a test", `
			{"Action":"run","Package":"h/o/m/a","Test":"TestA"}
			{"Action":"output","Package":"h/o/m/a","Test":"TestA","Output":"SIGSEGV\n"}
			{"Action":"fail","Package":"h/o/m/a"}`,
			counts{0, 1, 0}, []string{"SIGSEGV"}},
		{"no test files", `{"Action":"skip","Package":"h/o/m/a"}`, counts{}, nil},
	} {
		var out bytes.Buffer
		l := newLog(&out)
		if err := l.read(strings.NewReader(strings.TrimSpace(c.events))); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if l.counts != c.want {
			t.Errorf("%s: %v, want %v", c.name, l.counts, c.want)
		}
		for _, want := range c.output {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in %q", c.name, want, out.String())
			}
		}
	}
}

func TestChooseParts(t *testing.T) {
	all := allParts(time.Second)
	names := func(only string) (names []string) {
		parts, err := choose(all, only)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			names = append(names, p.name)
		}
		return names
	}
	usual, long := names("usual"), names("long")
	if !slices.Contains(usual, "native") || !slices.Contains(usual, "arm64") || !slices.Contains(long, "race") || !slices.Contains(long, "fuzz") || len(usual)+len(long) != len(all) {
		t.Errorf("usual: %v, long: %v", usual, long)
	}
	if got := names("fuzz,gen"); !slices.Equal(got, []string{"fuzz", "gen"}) {
		t.Error(got)
	}
	if _, err := choose(all, "gen,typo"); err == nil || !strings.Contains(err.Error(), `"typo"`) {
		t.Errorf("unknown part: %v", err)
	}
}

func TestOutOfTime(t *testing.T) {
	const over = `--- FAIL: h/o/m/a FuzzA
fuzz: elapsed: 0s, gathering baseline coverage: 0/588 completed
fuzz: elapsed: 5s, gathering baseline coverage: 530/588 completed
--- FAIL: FuzzA (5.21s)
    context deadline exceeded
    FAIL a                                0 passed, 1 failed, 0 skipped (5.2 s)
`
	for _, c := range []struct {
		name, output string
		want         bool
	}{
		{"the end of the time", over, true},
		{"a failing input", strings.Replace(over, "    context", "    a_test.go:9: wrong sum\n    Failing input written to testdata/fuzz/FuzzA/1\n    context", 1), false},
		{"a deadline that the test itself reports", strings.Replace(over, "    context", "    a_test.go:9: context", 1), false},
		{"a crash", strings.Replace(over, "    context", "fuzzing process hung or terminated unexpectedly: exit status 2\n    context", 1), false},
		{"nothing", "", false},
	} {
		if got := outOfTime(c.output); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
