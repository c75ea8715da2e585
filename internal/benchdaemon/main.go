// Command benchdaemon starts ocellusd with cameras that are drawn, lets many look at them and ask over the API, and prints how it does:
//
//	go run ./internal/benchdaemon -program bin/ocellusd -for 10m
//
// First the cameras run for a while without anybody who looks. Then viewers watch their streams and requests come evenly, whether or not those before are answered:
// times are from when a request was due. Exit status 1 means that a bound was broken: no request fails, 99 of 100 are answered within 100 ms, no camera gives fewer
// frames because it is looked at, and memory does not grow.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"
)

// Bounds of what is well.
const (
	slowest = 100 * time.Millisecond // of 99 of 100 requests
	frames  = 0.95                   // share of the frames that came before
	growth  = 1.1                    // of memory, from the first third of the time to the last
)

// options are those of the command line.
type options struct {
	program  string
	duration time.Duration
	cameras  int
	fps      int
	viewers  int
	requests float64 // a second
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/ocellusd", "`FILE` of the daemon")
	flag.DurationVar(&o.duration, "for", 10*time.Minute, "how long it is looked at and asked")
	flag.IntVar(&o.cameras, "cameras", 8, "how many cameras there are")
	flag.IntVar(&o.fps, "fps", 5, "how many frames a second each of them gives")
	flag.IntVar(&o.viewers, "viewers", 50, "how many watch a stream")
	flag.Float64Var(&o.requests, "requests", 100, "how many requests come each second")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "benchdaemon:", err)
		stop()
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	if min(o.cameras, o.fps) < 1 || o.viewers < 0 || o.requests <= 0 || o.duration < 3*time.Second {
		return errors.New("there must be a camera, requests, and three seconds at least")
	}
	d, err := start(ctx, o.program, o.cameras, o.fps)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	quiet := min(o.duration, 30*time.Second)
	before, err := d.watch(ctx, quiet)
	if err != nil {
		return err
	}
	busy, end := context.WithCancel(ctx)
	defer end()
	v := look(busy, d, o.viewers, o.cameras)
	r := ask(busy, d, o.requests, o.cameras)
	during, err := d.watch(ctx, o.duration)
	end()
	v.wait()
	r.wait()
	if err != nil {
		return err
	}
	return report(out, o, before, during, v, r)
}

// report prints a table, and returns what is not well.
func report(out io.Writer, o *options, before, during *course, v *viewers, r *requests) error {
	slices.Sort(r.times)
	at := func(share float64) time.Duration {
		if len(r.times) == 0 {
			return 0
		}
		return r.times[min(len(r.times)-1, int(share*float64(len(r.times))))].Round(100 * time.Microsecond)
	}
	first, last := during.memory()
	fmt.Fprintf(out, "| %d cameras, %d viewers, %g requests a second, %v | |\n|---|---|\n", o.cameras, o.viewers, o.requests, o.duration)
	for _, row := range []struct {
		what  string
		value any
	}{
		{"frames captured a second, nobody looking", fmt.Sprintf("%.1f", before.rate())},
		{"frames captured a second, all looking", fmt.Sprintf("%.1f", during.rate())},
		{"frames that came to a viewer a second", fmt.Sprintf("%.1f", float64(v.frames.Load())/o.duration.Seconds()/float64(max(1, o.viewers)))},
		{"streams that were cut off", v.faults.Load()},
		{"requests", len(r.times)},
		{"requests that failed", r.failed},
		{"answered within, half of them", at(0.5)},
		{"answered within, 95 of 100", at(0.95)},
		{"answered within, 99 of 100", at(0.99)},
		{"answered within, all", at(1)},
		{"memory, first third of the time", fmt.Sprintf("%.0f MB", first/1e6)},
		{"memory, last third", fmt.Sprintf("%.0f MB", last/1e6)},
		{"CPUs in use, nobody looking", fmt.Sprintf("%.2f", before.cpus())},
		{"CPUs in use, all looking", fmt.Sprintf("%.2f", during.cpus())},
	} {
		fmt.Fprintf(out, "| %s | %v |\n", row.what, row.value)
	}
	var err error
	if r.failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d requests failed, the first with: %w", r.failed, r.first))
	}
	if n := v.faults.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d streams were cut off", n))
	}
	if p := at(0.99); p > slowest {
		err = errors.Join(err, fmt.Errorf("one of 100 requests takes longer than %v, not than %v", p, slowest))
	}
	if during.rate() < frames*before.rate() {
		err = errors.Join(err, fmt.Errorf("cameras give %.1f frames a second while they are looked at, %.1f before", during.rate(), before.rate()))
	}
	if last > growth*first {
		err = errors.Join(err, fmt.Errorf("memory grew from %.0f to %.0f MB", first/1e6, last/1e6))
	}
	return err
}

// someone is one of the addresses of this machine that those who ask come from.
func someone() string { return fmt.Sprintf("127.0.0.%d", 2+rand.IntN(20)) }
