// Package ffmpeg takes frames from anything that ffmpeg reads, and writes clips: a child process, with raw frames in a pipe.
package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ocellus-vision/ocellus/camera"
)

// The largest frames that are read.
const (
	MaxSide   = 1 << 15
	MaxPixels = 1 << 26
)

// Options say what is read and how. The zero Options suit files and addresses.
type Options struct {
	// Format is ffmpeg's name of the input's format or device, such as "v4l2" or "x11grab"; empty: ffmpeg finds out.
	Format string
	// Width and Height in pixels and Rate in frames a second are asked of a device that Format names. Others send what they send. What comes
	// otherwise than asked is told with camera.Warn, and frames keep the size that they have. 0: any.
	Width, Height int
	Rate          float64
	// Live is true of a camera: frames are stamped as they come and the end of the stream is a failure. Without it, the time of a frame is
	// that at which Run began plus its place in the clip, and the next one follows as soon as sink has returned. Addresses of rtsp, rtmp,
	// srt, rtp and udp, devices and Command are always live.
	Live bool
	// RealTime hands out each frame of a clip when its time has come.
	RealTime bool
	// Command is a program and its arguments whose standard output ffmpeg reads in place of an input, such as rpicam-vid.
	Command []string
	// Timeout is how long ffmpeg may take to open the input, and from one frame to the next. 0 means 20 s.
	Timeout time.Duration
	// Args are more options of ffmpeg for the input, such as "-rtsp_flags", "prefer_tcp".
	Args []string
}

// Source hands out what ffmpeg reads as frames of NV12.
type Source struct {
	input string
	o     Options
	pool  camera.Pool
	pid   atomic.Int64 // of ffmpeg while it runs, for tests that kill it
}

// streams are the schemes of addresses at which cameras are, not clips.
var streams = []string{"rtsp", "rtsps", "rtmp", "rtmps", "srt", "rtp", "udp"}

// Open returns a source that reads a file, a device, or an address with a user and a password where it needs them; input is not used with
// Options.Command. ffmpeg is looked for, and nothing is opened before Run.
func Open(input string, o Options) (*Source, error) {
	s := &Source{input: input, o: o}
	switch {
	case input == "" && len(o.Command) == 0:
		return nil, errors.New("ffmpeg: nothing to read: give a file, a device or an address")
	case o.Width < 0 || o.Height < 0 || o.Width > MaxSide || o.Height > MaxSide || (o.Width == 0) != (o.Height == 0):
		return nil, fmt.Errorf("%s: frames of %dx%d pixels cannot be asked for", s, o.Width, o.Height)
	case !(o.Rate >= 0 && o.Rate <= 1000):
		return nil, fmt.Errorf("%s: a rate of %g frames a second cannot be asked for", s, o.Rate)
	}
	if s.o.Timeout == 0 {
		s.o.Timeout = 20 * time.Second
	}
	if s.o.Format != "" && device(s.o.Format) || len(o.Command) > 0 || slices.Contains(streams, s.scheme()) {
		s.o.Live = true
	}
	if _, err := find(); err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	return s, nil
}

// device says whether one of ffmpeg's formats is a device.
func device(format string) bool {
	return slices.Contains([]string{"v4l2", "video4linux2", "x11grab", "kmsgrab", "fbdev", "avfoundation", "dshow", "gdigrab", "decklink", "iec61883"}, format)
}

// scheme returns that of an address, in lower case, or "".
func (s *Source) scheme() string {
	scheme, _, found := strings.Cut(s.input, "://")
	if !found {
		return ""
	}
	return strings.ToLower(scheme)
}

func (s *Source) String() string {
	if len(s.o.Command) > 0 {
		return camera.Redact(strings.Join(s.o.Command, " "))
	}
	return camera.Redact(s.input)
}

// redact takes passwords out of what ffmpeg says.
func (s *Source) redact(text string) string {
	if u, err := url.Parse(s.input); err == nil && u.User != nil {
		text = strings.ReplaceAll(text, u.User.String()+"@", "")
		if password, _ := u.User.Password(); len(password) > 3 {
			text = strings.ReplaceAll(text, password, "***")
		}
	}
	return camera.Redact(text)
}

// args returns the arguments of the ffmpeg at path.
func (s *Source) args(path string) []string {
	a := []string{"-hide_banner", "-nostats", "-loglevel", "level+info"}
	if s.o.Live {
		a = append(a, "-fflags", "nobuffer", "-flags", "low_delay")
	}
	if s.o.Format != "" {
		a = append(a, "-f", s.o.Format)
		if s.o.Width > 0 && device(s.o.Format) {
			a = append(a, "-video_size", fmt.Sprintf("%dx%d", s.o.Width, s.o.Height))
		}
		if s.o.Rate > 0 && device(s.o.Format) {
			a = append(a, "-framerate", strconv.FormatFloat(s.o.Rate, 'g', -1, 64))
		}
	}
	if scheme := s.scheme(); scheme == "rtsp" || scheme == "rtsps" {
		a = append(a, "-rtsp_transport", "tcp")
	}
	a = append(a, s.o.Args...)
	input := s.input
	if len(s.o.Command) > 0 {
		input = "pipe:0"
	} else {
		a = append(a, "-nostdin")
	}
	a = append(a, "-i", input, "-map", "0:v:0", "-vf", "scale=out_range=tv")
	if s.o.Live {
		a = append(a, pace(path, "passthrough")...)
	} else {
		a = append(a, pace(path, "cfr")...)
	}
	return append(a, "-f", "rawvideo", "-flush_packets", "1", "-pix_fmt", "nv12", "pipe:1")
}

// Run implements camera.Source. A clip that ends is io.EOF, or an error where it was cut off; a live stream that ends is an error.
func (s *Source) Run(ctx context.Context, sink camera.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &run{s: s, ctx: ctx, sink: sink, opened: make(chan struct{})}
	err := r.run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == io.EOF:
		return io.EOF
	}
	return fmt.Errorf("%s: %w", s, err)
}

// run is one call of Run.
type run struct {
	s       *Source
	ctx     context.Context
	sink    camera.Sink
	log     tail          // of what is wrong
	said    tail          // by the command
	told    told          // by the log until opened is closed
	opened  chan struct{} // the size of the frames is known
	closed  chan struct{} // the log has ended
	frames  uint64
	running atomic.Bool
}

func (r *run) run() error {
	out, child, helper, err := r.start()
	if err != nil {
		return err
	}
	defer out.Close()
	stop := func() {
		out.Close() // so that nobody waits for the pipe to be read
		child.stop()
		if helper != nil {
			helper.stop()
		}
	}
	r.s.pid.Store(int64(child.cmd.Process.Pid))
	defer r.s.pid.Store(0)
	stopped := make(chan struct{})
	unwatch := context.AfterFunc(r.ctx, func() { stop(); close(stopped) })
	dog := camera.NewWatchdog(r.s.o.Timeout, func() { child.kill(false); out.SetReadDeadline(time.Now()) })
	defer dog.Stop()

	err = r.read(out, dog, child.done)
	if !unwatch() {
		<-stopped
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		select { // ffmpeg ends by itself
		case <-child.done:
		case <-time.After(grace):
		}
	}
	var helperErr error
	if helper != nil {
		select {
		case <-helper.done:
			helperErr = helper.err
		default:
		}
	}
	stop()
	<-r.closed
	return r.verdict(err, child.err, helperErr, dog.Barked())
}

// start starts ffmpeg, and before it the command whose output it reads.
func (r *run) start() (out *os.File, child, helper *process, err error) {
	path, err := find()
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := pipes(3) // frames, log, input
	if err != nil {
		return nil, nil, nil, err
	}
	defer p[0][1].Close()
	defer p[1][1].Close()
	defer p[2][1].Close()
	defer p[2][0].Close()
	ffmpeg := exec.Command(path, r.s.args(path)...)
	ffmpeg.Stdout, ffmpeg.Stderr = p[0][1], p[1][1]
	if c := r.s.o.Command; len(c) > 0 {
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Stdout, cmd.Stderr = p[2][1], p[1][1]
		if helper, err = start(cmd); err != nil {
			p[0][0].Close()
			p[1][0].Close()
			return nil, nil, nil, err
		}
		ffmpeg.Stdin = p[2][0]
	}
	if child, err = start(ffmpeg); err != nil {
		if helper != nil {
			helper.stop()
		}
		p[0][0].Close()
		p[1][0].Close()
		return nil, nil, nil, err
	}
	r.closed = make(chan struct{})
	go r.listen(p[1][0], child)
	return p[0][0], child, helper, nil
}

// listen reads the log until ffmpeg closes it, at the latest soon after its end.
func (r *run) listen(log *os.File, child *process) {
	defer close(r.closed)
	defer log.Close()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ended:
		case <-child.done:
			log.SetReadDeadline(time.Now().Add(grace))
		}
	}()
	known := false
	lines(log, func(line string) {
		grave, text := level(line)
		if !known && r.told.read(text) {
			known = true
			close(r.opened)
		}
		text = r.s.redact(strings.TrimSpace(text))
		switch {
		case text == line:
			r.said.add(text)
		case grave:
			r.log.add(text)
		}
		if grave && r.running.Load() {
			camera.Warn(r.ctx, fmt.Errorf("%s: %s", r.s, text))
		}
	})
}

// read waits for the size of the frames and hands them out until the pipe ends.
func (r *run) read(out *os.File, dog *camera.Watchdog, died <-chan struct{}) error {
	select {
	case <-r.opened:
	case <-r.closed:
		return errors.New("it could not be opened")
	case <-died:
		<-r.closed
		return errors.New("it could not be opened")
	}
	v := r.told.output
	if v.width > MaxSide || v.height > MaxSide || v.width*v.height > MaxPixels || v.height < 1 {
		return fmt.Errorf("frames of %dx%d pixels; up to %d million and %d on a side are read", v.width, v.height, MaxPixels/1000000, MaxSide)
	}
	if o := r.s.o; o.Width > 0 && (v.width != o.Width || v.height != o.Height) {
		camera.Warn(r.ctx, fmt.Errorf("%s: %dx%d pixels were asked for, %dx%d come", r.s, o.Width, o.Height, v.width, v.height))
	}
	r.running.Store(true)
	defer r.running.Store(false)
	rate, start := v.rate, time.Now()
	if rate <= 0 {
		rate = 25
	}
	colour := r.told.colour()
	for ; ; r.frames++ {
		dog.Feed()
		f, err := r.frame(out, v.width, v.height)
		dog.Stop()
		if err != nil {
			return err
		}
		f.Seq, f.Time, f.Colour = r.frames, time.Now(), colour
		if !r.s.o.Live {
			f.Time = start.Add(time.Duration(float64(r.frames) / rate * float64(time.Second)))
			if r.s.o.RealTime {
				err = camera.WaitUntil(r.ctx, f.Time)
			}
		}
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			f.Release()
			return err
		}
		r.sink(f)
	}
}

// frame reads one frame of NV12: w*h bytes of Y and pairs of U and V, odd sizes rounded up. io.EOF is the end between frames.
func (r *run) frame(out io.Reader, w, h int) (*camera.Frame, error) {
	even, rows := w+w&1, h+(h+1)/2
	f := r.s.pool.Get(even * rows)
	f.Format, f.Width, f.Height, f.Stride = camera.NV12, w, h, even
	if w == even {
		if _, err := io.ReadFull(out, f.Data); err != nil {
			f.Release()
			return nil, err
		}
		return f, nil
	}
	for y := range rows {
		row := f.Data[y*even : (y+1)*even]
		if y < h {
			row[w], row = 0, row[:w]
		}
		if _, err := io.ReadFull(out, row); err != nil {
			f.Release()
			if err == io.EOF && y > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return f, nil
}

// short is how much of a clip's duration may be missing at its end: containers round it. Sound may go on longer, without complaints in the log.
const short = time.Second

// verdict says why the reading ended; child and helper are what they ended with.
func (r *run) verdict(err, child, helper error, late bool) error {
	log := r.log.String()
	if log == "" {
		log = r.said.String()
	}
	why := func(what string) error {
		if log != "" {
			what += ": " + log
		}
		return errors.New(what)
	}
	v := r.told.output
	end := 0.0
	if v.rate > 0 {
		end = float64(r.frames) / v.rate
	}
	switch {
	case late:
		return why(fmt.Sprintf("no frame for %v", r.s.o.Timeout))
	case r.frames == 0 && err == io.EOF, r.frames == 0 && v.width == 0:
		return why("it could not be opened")
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return err
	case child != nil:
		return why(fmt.Sprintf("after %d frames ffmpeg ended (%v)", r.frames, child))
	case helper != nil:
		return why(fmt.Sprintf("after %d frames %s ended (%v)", r.frames, r.s.o.Command[0], helper))
	case r.s.o.Live:
		return why(fmt.Sprintf("the stream ended after %d frames", r.frames))
	case err == io.ErrUnexpectedEOF:
		return why(fmt.Sprintf("ffmpeg ended within frame %d", r.frames+1))
	case end > 0 && log != "" && r.told.duration-time.Duration(end*float64(time.Second)) > short:
		return why(fmt.Sprintf("cut off after %.1f s of %.1f s", end, r.told.duration.Seconds()))
	}
	return io.EOF
}
