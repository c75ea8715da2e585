// Command testall runs the tests of the project and counts them. Usual are every package natively, the kernels and networks for arm64 under emulation, and the
// module of the generators; long are the race detector, builds without assembly, with instruction sets held back and for other architectures, an emulated computer with
// cameras, kills at random moments, and fuzzing. A part whose tools are missing is skipped with a line that says which. The last line of its output is
//
//	N passed, N failed, N skipped
//
// where a subtest counts as a test, and a skipped part as one skipped test. Exit status 1 means that something failed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	var (
		only     = flag.String("parts", "usual", "comma-separated parts to run; usual and long are several")
		fuzztime = flag.Duration("fuzztime", 5*time.Second, "how long to fuzz each target")
		totals   = flag.String("o", "", "file to write the closing line to")
		list     = flag.Bool("list", false, "list the parts and exit")
	)
	flag.Parse()
	r := &runner{out: os.Stdout}
	parts := allParts(*fuzztime)
	if *list {
		for _, p := range parts {
			set := "usual"
			if p.long {
				set = "long"
			}
			fmt.Printf("%-16s %-5s  %s\n", p.name, set, p.what)
		}
		return
	}
	parts, err := choose(parts, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testall:", err)
		os.Exit(2)
	}
	for _, p := range parts {
		r.part(p)
	}
	closing := r.total.String()
	fmt.Println(closing)
	if *totals != "" {
		if err := writeTotals(*totals, closing); err != nil {
			fmt.Fprintln(os.Stderr, "testall:", err)
			os.Exit(1)
		}
	}
	if r.total.failed > 0 {
		os.Exit(1)
	}
}

func writeTotals(path, line string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(line+"\n"), 0o666)
}

// choose returns the parts that only names: some of them, "usual" or "long".
func choose(parts []part, only string) ([]part, error) {
	var chosen []part
	for name := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for _, p := range parts {
			if name == p.name || name == "long" && p.long || name == "usual" && !p.long {
				chosen = append(chosen, p)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("no part %q; -list names them", name)
		}
	}
	return chosen, nil
}

// runner runs parts and adds up.
type runner struct {
	out   io.Writer
	total counts
}

// counts is how many tests ended how.
type counts struct{ passed, failed, skipped int }

func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

// part runs one part.
func (r *runner) part(p part) {
	start := time.Now()
	fmt.Fprintf(r.out, "=== %s: %s\n", p.name, p.what)
	if why := p.missing(); why != "" {
		fmt.Fprintf(r.out, "    skipped: %s\n\n", why)
		r.total.skipped++
		return
	}
	var c counts
	commands, err := p.commands()
	if err != nil {
		fmt.Fprintf(r.out, "    %v\n", err)
		c.failed++
	}
	for _, args := range commands {
		if p.fuzz > 0 {
			c.add(r.fuzz(p, args))
		} else {
			c.add(r.goTest(p, args))
		}
	}
	fmt.Fprintf(r.out, "    %s, %.1f s\n\n", c, time.Since(start).Seconds())
	r.total.add(c)
}

// fuzz fuzzes one target for the time of the part. Where Go's coordinator reports the end of that time as a failure (golang.org/issue/75804: its deadline
// and its workers race, the likelier the busier the machine), it fuzzes again for longer.
func (r *runner) fuzz(p part, args []string) counts {
	const most = 9
	for times := time.Duration(1); ; times *= 3 {
		var out bytes.Buffer
		once := runner{out: &out}
		c := once.goTest(p, slices.Concat([]string{fmt.Sprintf("-fuzztime=%v", times*p.fuzz)}, args))
		if c.failed == 0 || times == most || !outOfTime(out.String()) {
			out.WriteTo(r.out)
			return c
		}
		fmt.Fprintf(r.out, "    again, for %v: go test %s ran out of time\n", 3*times*p.fuzz, strings.Join(args, " "))
	}
}

// outOfTime says whether the output of fuzzing that failed tells of no more than that its time was over.
func outOfTime(output string) bool {
	over := false
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		switch {
		case line == "context deadline exceeded":
			over = true
		case line == "", strings.HasPrefix(line, "fuzz: elapsed:"), strings.HasPrefix(line, "--- FAIL: "), strings.HasPrefix(line, "FAIL"), line == "exit status 1":
		default:
			return false
		}
	}
	return over
}

// goTest runs one "go test -json" and counts what it reports.
func (r *runner) goTest(p part, args []string) counts {
	cmd := p.command(append([]string{"test", "-json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(r.out, "    %v\n", err)
		return counts{failed: 1}
	}
	log := newLog(r.out)
	readErr := log.read(stdout)
	err = errors.Join(readErr, cmd.Wait())
	if err != nil && log.failed == 0 {
		fmt.Fprintf(r.out, "    go %s: %v\n", strings.Join(cmd.Args[1:], " "), err)
		log.failed++
	}
	if log.failed > 0 && stderr.Len() > 0 {
		fmt.Fprintf(r.out, "%s\n", bytes.TrimSpace(stderr.Bytes()))
	}
	return log.counts
}

// command returns a go command with the part's environment and folder.
func (p part) command(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	return cmd
}

// have says whether a program is installed.
func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// hostIs says whether this program runs on one of these architectures.
func hostIs(arch ...string) bool { return slices.Contains(arch, runtime.GOARCH) }
