//go:build gocv

package gocv

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gocv.io/x/gocv"

	"github.com/ocellus-vision/ocellus/camera"
)

// Built says whether this program was built with OpenCV.
const Built = true

// source hands out what OpenCV's VideoCapture reads, as BGR or grey.
type source struct {
	input string
	o     Options
	pool  camera.Pool
}

// Open returns a source that reads camera number N ("0"), a file or an address. Run opens it, and ends a read that is under way only when
// OpenCV does: for an address after half a minute.
func Open(input string, o Options) (camera.Source, error) {
	if err := o.check(input); err != nil {
		return nil, err
	}
	if _, err := strconv.ParseUint(input, 10, 16); err == nil {
		o.Live = true
	}
	return &source{input: input, o: o}, nil
}

func (s *source) String() string { return "gocv:" + camera.Redact(s.input) }

// Run implements camera.Source.
func (s *source) Run(ctx context.Context, sink camera.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.run(ctx, sink)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == io.EOF:
		return io.EOF
	}
	return fmt.Errorf("%s: %w", s, err)
}

func (s *source) run(ctx context.Context, sink camera.Sink) error {
	capture, err := s.open()
	if err != nil {
		return err
	}
	defer capture.Close()
	o := s.o
	if o.Width > 0 {
		capture.Set(gocv.VideoCaptureFrameWidth, float64(o.Width))
		capture.Set(gocv.VideoCaptureFrameHeight, float64(o.Height))
	}
	if o.Rate > 0 {
		capture.Set(gocv.VideoCaptureFPS, o.Rate)
	}
	rate := capture.Get(gocv.VideoCaptureFPS)
	if !(rate >= 0.001 && rate <= 1000) {
		rate = 25
	}
	mat := gocv.NewMat()
	defer mat.Close()
	start := time.Now()
	for seq := uint64(0); ; seq++ {
		if !capture.Read(&mat) || mat.Empty() {
			return s.end(seq, rate, capture.Get(gocv.VideoCaptureFrameCount))
		}
		f, err := s.frame(&mat)
		if err != nil {
			return err
		}
		if seq == 0 && o.Width > 0 && (f.Width != o.Width || f.Height != o.Height) {
			camera.Warn(ctx, fmt.Errorf("%s: %dx%d pixels were asked for, %dx%d come", s, o.Width, o.Height, f.Width, f.Height))
		}
		f.Seq, f.Time = seq, time.Now()
		if !o.Live {
			f.Time = start.Add(time.Duration(float64(seq) / rate * float64(time.Second)))
			if o.RealTime {
				err = camera.WaitUntil(ctx, f.Time)
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			f.Release()
			return err
		}
		sink(f)
	}
}

// open opens what is read.
func (s *source) open() (*gocv.VideoCapture, error) {
	var capture *gocv.VideoCapture
	var err error
	if n, numErr := strconv.ParseUint(s.input, 10, 16); numErr == nil {
		capture, err = gocv.VideoCaptureDevice(int(n))
	} else {
		if !strings.Contains(s.input, "://") {
			if _, err := os.Stat(s.input); err != nil && !strings.Contains(s.input, "%") {
				return nil, err
			}
		}
		capture, err = gocv.VideoCaptureFile(s.input)
	}
	if err == nil && !capture.IsOpened() {
		err = errors.New("OpenCV cannot open it")
	}
	if err != nil {
		if capture != nil {
			capture.Close()
		}
		return nil, errors.New(camera.Redact(err.Error()))
	}
	return capture, nil
}

// end says why no more frames come after n, where the file promised count of them.
func (s *source) end(n uint64, rate, count float64) error {
	switch {
	case n == 0:
		return errors.New("OpenCV opens it and reads no frame")
	case s.o.Live:
		return fmt.Errorf("the camera gave no more after %d frames", n)
	case count > 0 && count < 1e9 && float64(n) < count-rate:
		return fmt.Errorf("cut off after %d of %.0f frames", n, count)
	}
	return io.EOF
}

// frame copies a Mat of bytes.
func (s *source) frame(mat *gocv.Mat) (*camera.Frame, error) {
	channels := mat.Channels()
	if t := mat.Type(); t != gocv.MatTypeCV8UC3 && t != gocv.MatTypeCV8UC1 {
		return nil, fmt.Errorf("OpenCV gives pictures of type %v; bytes of grey or of blue, green and red are read", t)
	}
	pixels, err := mat.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	w, h := mat.Cols(), mat.Rows()
	if len(pixels) < channels*w*h {
		return nil, fmt.Errorf("OpenCV gives %d bytes for %dx%d pixels", len(pixels), w, h)
	}
	f := s.pool.Get(channels * w * h)
	f.Width, f.Height, f.Stride, f.Format = w, h, channels*w, camera.BGR
	if channels == 1 {
		f.Format = camera.Grey
	}
	copy(f.Data, pixels)
	return f, nil
}

// writer writes through OpenCV's VideoWriter.
type writer struct {
	path, part    string
	width, height int
	w             *gocv.VideoWriter // nil when closed
	bgr           []byte
	err           error
}

// codecs are what clips of an extension are coded with.
var codecs = map[string]string{".avi": "MJPG", ".mp4": "mp4v", ".mkv": "mp4v"}

// Create begins a clip (.avi, .mp4, .mkv) of pictures of width x height pixels, rate of them a second.
func Create(path string, width, height int, rate float64) (Writer, error) {
	ext := strings.ToLower(filepath.Ext(path))
	codec, known := codecs[ext]
	switch {
	case !known:
		return nil, fmt.Errorf("%s: clips are written as .avi, .mp4 or .mkv", path)
	case width < 2 || height < 2 || width > 1<<14 || height > 1<<14 || !(rate >= 0.01 && rate <= 1000):
		return nil, fmt.Errorf("%s: a clip of %dx%d pixels and %g frames a second cannot be written", path, width, height, rate)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	w := &writer{path: path, part: filepath.Join(filepath.Dir(path), "."+name+".part"+ext), width: width, height: height, bgr: make([]byte, 3*width*height)}
	v, err := gocv.VideoWriterFile(w.part, codec, rate, width, height, true)
	if err == nil && !v.IsOpened() {
		v.Close()
		err = errors.New("OpenCV cannot write it: is the folder there, and may it be written to?")
	}
	if err != nil {
		os.Remove(w.part)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w.w = v
	return w, nil
}

func (w *writer) Write(img *image.RGBA) error {
	r := img.Bounds()
	switch {
	case w.w == nil:
		return fmt.Errorf("%s: the clip has been closed", w.path)
	case r.Dx() != w.width || r.Dy() != w.height:
		return fmt.Errorf("%s: a picture of %dx%d in a clip of %dx%d", w.path, r.Dx(), r.Dy(), w.width, w.height)
	}
	for y := range w.height {
		dst, src := w.bgr[3*y*w.width:], img.Pix[y*img.Stride:]
		for x := range w.width {
			dst[3*x], dst[3*x+1], dst[3*x+2] = src[4*x+2], src[4*x+1], src[4*x]
		}
	}
	mat, err := gocv.NewMatFromBytes(w.height, w.width, gocv.MatTypeCV8UC3, w.bgr)
	if err == nil {
		err = w.w.Write(mat)
		mat.Close()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", w.path, err)
		if w.err == nil {
			w.err = err
		}
	}
	return err
}

func (w *writer) Close() error {
	if w.w == nil {
		return w.err
	}
	err := w.w.Close()
	w.w = nil
	if w.err == nil {
		w.err = err
	}
	if w.err == nil {
		w.err = os.Rename(w.part, w.path)
	}
	if w.err != nil {
		os.Remove(w.part)
	}
	return w.err
}
