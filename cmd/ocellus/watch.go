package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/pipeline"
	"github.com/ocellus-vision/ocellus/cmd/internal/draw"
	"github.com/ocellus-vision/ocellus/cmd/internal/frames"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/cmd/internal/sinks"
	"github.com/ocellus-vision/ocellus/cmd/internal/sources"
	"github.com/ocellus-vision/ocellus/cmd/internal/tasks"
	"github.com/ocellus-vision/ocellus/cmd/internal/view"
)

// watching is what verbs that look at an INPUT have in common.
type watching struct {
	engine
	asJSON bool
	view   bool
	motion bool
	frames int
	maps   string    // OUTPUT of label maps
	also   []string  // more OUTPUTs
	stdout io.Writer // where results are printed; nil: the verb's own
	live   bool      // the INPUT is a camera or a stream; known when networks are loaded
	// seen is told of each result, where it is set, and says whether it is printed. The frame is valid until it returns.
	seen func(name string, f *camera.Frame, r tasks.Result) bool
}

func (w *watching) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&w.asJSON, "json", false, "print one JSON object a line")
	f.BoolVar(&w.view, "view", false, "show the frames in this terminal")
	f.BoolVar(&w.motion, "motion", false, "look only at frames in which something moves")
	f.IntVar(&w.frames, "frames", 0, "end after so many frames; 0 means never")
	w.engine.flags(cmd)
}

// begin checks the flags; see engine.begin.
func (w *watching) begin() (func(), error) {
	if w.frames < 0 {
		return nil, usageErrorf("--frames %d: a number from 0 on is meant", w.frames)
	}
	return w.engine.begin()
}

// inputArgs asks for an INPUT and at most one OUTPUT.
func inputArgs(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageErrorf("name a picture, a folder, a clip or a camera: the INPUT")
	case len(args) > 2:
		return usageErrorf("one INPUT and one OUTPUT; put a pattern in quotes; %q is too much", args[2])
	}
	return nil
}

// run lets tasks look at an INPUT and sends what they see to stdout and to an OUTPUT, which may be "".
// The networks are loaded once the INPUT is understood.
func (w *watching) run(cmd *cobra.Command, input, output string, load func() ([]*tasks.Task, error)) error {
	ctx, cancel := interruptible(cmd)
	defer cancel()
	s := &session{w: w, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	if w.stdout != nil {
		s.stdout = w.stdout
	}
	var err error
	if s.in, err = sources.Open(input, sources.Options{Broken: s.broken, Report: s.report}); err != nil {
		return err
	}
	w.live = s.in.Live
	list, err := load()
	if err != nil {
		return err
	}
	files := sinks.NewFiles(s.in.Files)
	for _, path := range append([]string{output}, w.also...) {
		out, err := openOutput(path, s.in, "", files)
		if err != nil {
			return err
		}
		if out != nil {
			s.out = append(s.out, out)
		}
	}
	if s.maps, err = openOutput(w.maps, s.in, ".png", files); err != nil {
		return err
	}
	err = s.watch(ctx, list)
	for _, out := range append(s.out, s.maps) {
		err = errors.Join(err, out.Close())
	}
	if err != nil && !s.in.Stills && s.frames() == 0 {
		return err // there is nothing to sum up
	}
	return errors.Join(err, s.end(ctx))
}

// claim refuses to write results, of which "" is none, over files that are read, or over one another.
func claim(inputs []string, results ...string) error {
	files := sinks.NewFiles(inputs)
	for _, path := range results {
		if path == "" {
			continue
		}
		if err := usage(files.Claim(path)); err != nil {
			return err
		}
	}
	return nil
}

func openOutput(path string, in *sources.Input, only string, files *sinks.Files) (*sinks.Output, error) {
	out, err := sinks.Open(path, sinks.Options{Stills: in.Stills, Total: in.Total, Only: only, Files: files})
	return out, usage(err)
}

// usage returns err, as one that means the command line was wrong where it is about the OUTPUT that was named.
func usage(err error) error {
	var named *sinks.UsageError
	if errors.As(err, &named) {
		return &exitError{statusUsage, err}
	}
	return err
}

// session is one run of a verb.
type session struct {
	w              *watching
	in             *sources.Input
	out            []*sinks.Output
	maps           *sinks.Output
	stdout, stderr io.Writer
	cancel         context.CancelFunc

	terminal *view.Terminal // that shows the frames
	progress *view.Progress
	quiet    bool // results are not printed

	object  tasks.Object
	layers  draw.Layers
	painter frames.Painter
	latest  []*pipeline.Event // of each task, of a camera with several
	shown   []tasks.Result    // those of latest
	drawn   uint64            // Seq of the frame that was drawn last
	events  int

	mu       sync.Mutex // of what follows, and of lines on stderr
	pictures int        // that were seen or failed
	failed   int        // pictures that failed
	failure  error      // of the only picture, or of a sink
	said     []string   // the last lines that were shown below frames
	last     string     // the last line of log, and when it was written
	logged   time.Time
	summary  pipeline.Summary
}

func (s *session) watch(ctx context.Context, list []*tasks.Task) error {
	ctx, s.cancel = context.WithCancel(ctx)
	defer s.cancel()
	if err := s.screen(); err != nil {
		return err
	}
	options := pipeline.Options{Lossless: !s.in.Live}
	if !s.in.Stills {
		options.Report = s.report
		options.Degraded = func(l pipeline.Load) { s.log("%s", degraded(l, list)) }
	}
	p := pipeline.New(options)
	in := pipeline.Input{Name: s.in.Source.String(), Source: s.in.Source, Decode: new(frames.Decoder).Decode}
	in.Outlets = []*pipeline.Outlet{p.AddSink("results", 4, pipeline.SinkFunc(s.emit))}
	for _, t := range list {
		in.Tasks = append(in.Tasks, t.Pipeline(!s.in.Stills))
	}
	if s.w.motion {
		in.Gate = &pipeline.Gate{}
	}
	if s.w.frames > 0 {
		in.Source = &limited{s.in.Source, s.w.frames}
	}
	camera, err := p.Add(in)
	if err == nil {
		p.Wait(ctx)
	}
	finish, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	p.Close(finish)
	if camera != nil {
		err = camera.Err()
	} else if inner := errors.Unwrap(err); inner != nil {
		err = inner // that of the task: there is one camera
	}
	s.summary = p.Summary()
	for _, e := range s.latest {
		if e != nil {
			e.Release()
		}
	}
	s.progress.Close()
	if s.terminal != nil {
		err = errors.Join(err, s.terminal.Close())
		for _, text := range s.said {
			fmt.Fprintln(s.stderr, text)
		}
	}
	return err
}

// screen decides what goes to the terminal: the frames, a line of progress, or the results.
func (s *session) screen() error {
	out, isFile := s.stdout.(*os.File)
	errOut, errIsFile := s.stderr.(*os.File)
	onTerminal := isFile && view.Is(out)
	if s.w.view {
		to := out
		if s.w.asJSON || !onTerminal {
			to = errOut
		}
		if to != nil {
			s.terminal, _ = view.Open(to)
		}
		if s.terminal == nil {
			return usageErrorf("--view needs a terminal to show the frames in")
		}
		s.quiet = onTerminal && !s.w.asJSON
		return nil
	}
	busy := !s.in.Stills || s.in.Total > 1
	if errIsFile && view.Is(errOut) && busy && (!onTerminal || len(s.out) > 0 && !s.w.asJSON) {
		t, _ := view.Open(errOut)
		total := s.in.Total
		if s.w.frames > 0 && (total == 0 || total > s.w.frames) {
			total = s.w.frames
		}
		s.progress = t.NewProgress(total)
		s.quiet = onTerminal
	}
	return nil
}

// repeat is how long the same is not said again.
const repeat = time.Minute

func (s *session) log(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.Close()
	text := "ocellus: " + fmt.Sprintf(format, args...)
	if text == s.last && time.Since(s.logged) < repeat {
		return
	}
	s.last, s.logged = text, time.Now()
	switch {
	case s.terminal == nil:
		fmt.Fprintln(s.stderr, text)
	case !s.terminal.Say(text):
		s.said = append(s.said[max(0, len(s.said)-9):], text)
	}
}

// degraded says how far a pipeline of tasks has stepped back, with the sizes of their inputs where those have shrunk.
func degraded(l pipeline.Load, list []*tasks.Task) string {
	var sizes []string
	for _, t := range list {
		if n := len(t.Sizes); l.Size > 0 && n > 1 && !slices.Contains(l.Paused, t.Name) {
			size := t.Sizes[min(l.Size, n-1)]
			sizes = append(sizes, fmt.Sprintf("%s %dx%d", t.Name, size[0], size[1]))
		}
	}
	if len(sizes) == 0 {
		return l.String()
	}
	return fmt.Sprintf("%v (%s)", l, strings.Join(sizes, ", "))
}

// report tells of faults of a source or a task that go on.
func (s *session) report(f camera.Fault) {
	text := f.Err.Error()
	if !strings.Contains(text, f.Source) {
		text = f.Source + ": " + text
	}
	if f.Count > 1 {
		text += fmt.Sprintf(" (%d times)", f.Count)
	}
	s.log("%s", text)
}

// broken tells of a picture that failed; where it is the only one, that is why the verb fails.
func (s *session) broken(path string, err error) {
	s.mu.Lock()
	s.pictures++
	s.failed++
	if s.in.Total == 1 {
		s.failure = err
	}
	s.mu.Unlock()
	if s.in.Total != 1 {
		s.log("%v", err)
	}
}

// emit takes what tasks saw in a frame.
func (s *session) emit(_ context.Context, e *pipeline.Event) error {
	s.events++
	name := ""
	if s.in.Name != nil {
		name = s.in.Name(e.Frame.Seq)
	}
	err := s.event(name, e)
	switch {
	case err == nil:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pictures++
		return nil
	case s.in.Stills:
		s.broken(name, fmt.Errorf("%s: %w", name, err))
		return nil
	}
	if s.failure == nil {
		s.failure = err
	}
	s.cancel()
	return nil
}

func (s *session) event(name string, e *pipeline.Event) error {
	if e.Err != nil {
		return s.unless(e.Err)
	}
	var seen []tasks.Result
	for _, r := range e.Results {
		if r.Err != nil {
			if err := s.unless(r.Err); err != nil {
				return err
			}
			continue
		}
		seen = append(seen, r.Value.(tasks.Result))
	}
	if err := s.draw(name, e, seen); err != nil {
		return err
	}
	if err := s.writeMaps(name, e, seen); err != nil {
		return err
	}
	s.mu.Lock()
	s.progress.Step(s.events, line(seen))
	s.mu.Unlock()
	printed := !s.quiet
	for _, r := range seen {
		if s.w.seen != nil && !s.w.seen(name, e.Frame, r) {
			printed = false
		}
	}
	if !printed || s.in.Live && len(seen) == 0 {
		return nil
	}
	return s.print(name, e, seen)
}

// unless returns what ends or counts against a picture; faults of a frame among others were reported already.
func (s *session) unless(err error) error {
	if s.in.Stills {
		return err
	}
	return nil
}

// line says results in a few words.
func line(seen []tasks.Result) string {
	var parts []string
	for _, r := range seen {
		parts = append(parts, r.Line())
	}
	return strings.Join(parts, ", ")
}

// print writes results to stdout.
func (s *session) print(name string, e *pipeline.Event, seen []tasks.Result) error {
	f := e.Frame
	if s.w.asJSON {
		o := &s.object
		if s.in.Stills {
			o.Add("file", name)
		} else {
			o.Add("source", s.in.Source.String())
			o.Add("frame", f.Seq)
			o.Add("time", f.Time.Format(time.RFC3339Nano))
		}
		if s.in.Live {
			o.Add("age_ms", round(e.Age.Seconds()*1e3, 2))
		}
		if len(seen) > 0 {
			o.Add("width", f.Width)
			o.Add("height", f.Height)
		}
		for _, r := range seen {
			r.Fields(o)
		}
		return o.Write(s.stdout)
	}
	var b strings.Builder
	if s.in.Stills {
		fmt.Fprintf(&b, "%s  %dx%d  %s\n", name, f.Width, f.Height, line(seen))
		for _, r := range seen {
			r.Rows(&b)
		}
	} else {
		fmt.Fprintf(&b, "%s  %6d  %s\n", f.Time.Format("15:04:05.000"), f.Seq, line(seen))
	}
	_, err := io.WriteString(s.stdout, b.String())
	return err
}

// draw puts results on the frame, for the OUTPUT and the terminal. Of several tasks on a camera, whose events come one by one, each frame shows the latest
// results of all.
func (s *session) draw(name string, e *pipeline.Event, seen []tasks.Result) error {
	if len(s.out) == 0 && s.terminal == nil {
		return nil
	}
	if s.in.Live {
		var due bool
		if seen, due = s.gather(e); !due {
			return nil
		}
	}
	pic, err := frames.Picture(e.Frame)
	if err != nil {
		return err
	}
	s.layers.Reset()
	for _, r := range seen {
		r.Draw(&s.layers, !s.in.Stills)
	}
	img := s.layers.Put(s.painter.RGBA(pic))
	if s.terminal != nil {
		if err := s.terminal.Show(img, fmt.Sprintf("%s  frame %d  %s", e.Camera, e.Frame.Seq, line(seen))); err != nil {
			return err
		}
	}
	for _, out := range s.out {
		if err := out.Write(name, e.Frame.Seq, e.Frame.Time, img); err != nil {
			return err
		}
	}
	return nil
}

// gather keeps an event and returns the latest results of all tasks, and whether a frame is to be drawn: one that is newer than the last that was.
func (s *session) gather(e *pipeline.Event) ([]tasks.Result, bool) {
	if len(e.Results) == 1 && e.Results[0].Err == nil {
		e.Retain()
		i := 0
		for ; i < len(s.latest) && s.latest[i].Results[0].Task != e.Results[0].Task; i++ {
		}
		if i == len(s.latest) {
			s.latest = append(s.latest, nil)
		} else {
			s.latest[i].Release()
		}
		s.latest[i] = e
	}
	if e.Frame.Seq <= s.drawn && s.drawn > 0 {
		return nil, false
	}
	s.drawn = e.Frame.Seq
	s.shown = s.shown[:0]
	for _, l := range s.latest {
		s.shown = append(s.shown, l.Results[0].Value.(tasks.Result))
	}
	return s.shown, true
}

// writeMaps writes label maps, and notes in the results where.
func (s *session) writeMaps(name string, e *pipeline.Event, seen []tasks.Result) error {
	if s.maps == nil {
		return nil
	}
	for _, r := range seen {
		a, ok := r.(*tasks.Areas)
		if !ok {
			continue
		}
		if !s.in.Stills {
			name = fmt.Sprintf("frame_%06d.png", e.Frame.Seq)
		}
		path, err := s.maps.Path(name, ".png")
		if err != nil {
			return err
		}
		if err := pictures.Write(path, draw.Map(a.Labels, a.Width, a.Height, a.Colours())); err != nil {
			return err
		}
		a.Map = path
	}
	return nil
}

// frames is how many came, from a clip or a camera.
func (s *session) frames() (n uint64) {
	for _, c := range s.summary.Cameras {
		n += c.Frames
	}
	return n
}

// end says how it went.
func (s *session) end(ctx context.Context) error {
	if s.failure != nil {
		return s.failure
	}
	if s.in.Stills {
		switch {
		case s.failed > 0:
			return fmt.Errorf("%d of %d pictures failed", s.failed, s.pictures)
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted after %s", plural(int64(s.pictures), "picture"))
		}
		return nil
	}
	if len(s.summary.Cameras) == 0 {
		return nil
	}
	c := s.summary.Cameras[0]
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", c.Name, plural(int64(c.Frames), "frame"))
	if s.in.Live {
		fmt.Fprintf(&b, ", %d looked at", c.Worked)
	}
	fmt.Fprintf(&b, ", %.1f a second", c.Rate)
	for _, n := range []struct {
		n    uint64
		what string
	}{{c.Dropped, "dropped"}, {c.Skipped, "skipped"}, {c.Still, "still"}, {c.Lost, "lost by the source"}, {c.Faults, "faulty"}} {
		if n.n > 0 || n.what == "dropped" && s.in.Live {
			fmt.Fprintf(&b, ", %d %s", n.n, n.what)
		}
	}
	if s.in.Live && c.Ages.Count > 0 {
		fmt.Fprintf(&b, "\nfrom capture to result: p50 %s, p95 %s, p99 %s", latency(c.Ages.P50), latency(c.Ages.P95), latency(c.Ages.P99))
	}
	for _, t := range c.Tasks {
		if t.Runs == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s, %s each", t.Task, plural(int64(t.Runs), "frame"), latency(t.Mean))
	}
	for _, out := range s.out {
		if wrote := out.String(); wrote != "" {
			fmt.Fprintf(&b, "\nwrote %s", wrote)
		}
	}
	fmt.Fprintln(s.stderr, b.String())
	return nil
}

func latency(d time.Duration) string { return msText(d.Seconds() * 1e3) }

// limited is a source that ends after so many frames.
type limited struct {
	camera.Source
	n int
}

func (l *limited) Run(ctx context.Context, sink camera.Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := 0
	err := l.Source.Run(ctx, func(f *camera.Frame) {
		if n++; n > l.n {
			f.Release()
			return
		}
		sink(f)
		if n == l.n {
			cancel()
		}
	})
	if n >= l.n {
		return io.EOF
	}
	return err
}

// forms says in help texts what INPUT and OUTPUT may be.
const forms = sources.Forms + "\n" + sinks.Forms
