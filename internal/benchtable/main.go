// Command benchtable reads the output of the kernels' benchmarks and prints Markdown tables: for each instruction set a row for each problem, with its
// rate on one thread, its share of the multiply-add peak or the bytes that it moves, its time over that of its bound, and how much faster two threads are.
//
//	go test -run '^$' -bench Kernels ./kernels | go run ./internal/benchtable
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// row is one problem on one instruction set.
type row struct {
	name                string
	peak, gflops, bytes float64 // on one thread: percent, GFLOP/s, GB/s
	bound               float64 // time over that of what bounds it; 0 where it was not measured
	two                 float64 // rate of two threads over that of one; 0 where it was not measured
}

// line is a result: BenchmarkKernels/ISA/THREADS/NAME-CPUS N VALUE UNIT VALUE UNIT ...
var line = regexp.MustCompile(`^BenchmarkKernels/([^/]+)/([^/]+)/(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`)

// parse returns the rows of each instruction set in the order in which they were run.
func parse(r io.Reader) (isas []string, rows map[string][]*row, err error) {
	rows = map[string][]*row{}
	find := func(isa, name string) *row {
		for _, x := range rows[isa] {
			if x.name == name {
				return x
			}
		}
		x := &row{name: name}
		rows[isa] = append(rows[isa], x)
		return x
	}
	for s := bufio.NewScanner(r); s.Scan(); {
		m := line.FindStringSubmatch(s.Text())
		if m == nil {
			continue
		}
		isa, threads, name := m[1], m[2], strings.ReplaceAll(m[3], "_", " ")
		if rows[isa] == nil {
			isas = append(isas, isa)
		}
		values := map[string]float64{}
		f := strings.Fields(m[4])
		for i := 0; i+1 < len(f); i += 2 {
			if values[f[i+1]], err = strconv.ParseFloat(f[i], 64); err != nil {
				return nil, nil, fmt.Errorf("benchtable: %q: %w", s.Text(), err)
			}
		}
		x := find(isa, name)
		switch threads {
		case "1":
			x.peak, x.gflops, x.bytes, x.bound = values["%peak"], values["GFLOP/s"], values["GB/s"], values["xbound"]
		case "2":
			if x.bytes > 0 {
				x.two = values["GB/s"] / x.bytes
			}
		}
	}
	return isas, rows, nil
}

// write prints a table for each instruction set.
func write(w io.Writer, isas []string, rows map[string][]*row) {
	for _, isa := range isas {
		fmt.Fprintf(w, "\n%s\n\n| kernel and shape | GFLOP/s | of peak | GB/s | over bound | two threads |\n|---|---:|---:|---:|---:|---:|\n", isa)
		for _, x := range rows[isa] {
			flops, peak, bound, two := "", "", "", ""
			if x.gflops > 0 {
				flops, peak = fmt.Sprintf("%.0f", x.gflops), fmt.Sprintf("%.0f %%", x.peak)
			}
			if x.bound > 0 {
				bound = fmt.Sprintf("%.2fx", x.bound)
			}
			if x.two > 0 {
				two = fmt.Sprintf("%.2fx", x.two)
			}
			fmt.Fprintf(w, "| %s | %s | %s | %.0f | %s | %s |\n", x.name, flops, peak, x.bytes, bound, two)
		}
	}
}

func main() {
	isas, rows, err := parse(os.Stdin)
	if err == nil && len(isas) == 0 {
		err = fmt.Errorf("benchtable: no results of BenchmarkKernels on standard input")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	write(os.Stdout, isas, rows)
}
