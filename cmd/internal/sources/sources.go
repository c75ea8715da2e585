// Package sources opens what users name as INPUT: pictures, clips, cameras, streams.
package sources

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ocellus-vision/ocellus/camera"
	"github.com/ocellus-vision/ocellus/camera/ffmpeg"
	"github.com/ocellus-vision/ocellus/camera/gocv"
	"github.com/ocellus-vision/ocellus/camera/mjpeg"
	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/camera/synth"
	"github.com/ocellus-vision/ocellus/camera/v4l2"
)

// Forms says what an INPUT may be, for help texts.
const Forms = `INPUT is
  photo.jpg, dir/, 'frames/*.png'      pictures (JPEG, PNG, WebP, BMP, GIF)
  /dev/video0, v4l2:/dev/video0?size=640x480&fps=15&format=mjpeg
  clip.mp4, rtsp://..., ffmpeg:...     anything that ffmpeg reads, where it is installed
  http://.../stream.mjpg               a camera that sends JPEGs
  synth:street?seed=7&fps=15           a drawn street
  gocv:0, gocv:clip.avi                through OpenCV, in builds with -tags gocv
  -                                    Y4M or Motion JPEG on standard input`

// Input is an INPUT that was understood. Nothing is connected before Source.Run.
type Input struct {
	Source camera.Source
	Live   bool                    // frames come in their own time: who is late misses them
	Stills bool                    // the frames are pictures by themselves and do not follow one another
	Name   func(seq uint64) string // file that a frame came from; nil where there is none
	Total  int                     // frames; 0 where nobody knows
	Files  []string                // that are read; what is no file may be among them
}

// Options say how an INPUT is opened.
type Options struct {
	Broken func(path string, err error) // is told of pictures that cannot be read; nil: the first ends Run
	Report func(camera.Fault)           // faults of live sources, which are opened again
	Paced  bool                         // clips that ffmpeg reads are live: each frame comes when its time has come
}

// tries is how often a live source that has never given a frame is opened.
const tries = 3

// scheme matches what stands before "://" or, for our own forms, before ":". A single letter is a drive of Windows.
var scheme = regexp.MustCompile(`^([a-z][a-z0-9+.-]+):`)

// streamed are the extensions of addresses that are containers and not streams of JPEGs.
var streamed = []string{".m3u8", ".mp4", ".ts", ".flv", ".mkv", ".webm", ".mov", ".avi", ".mpd"}

// Open understands an INPUT.
func Open(arg string, o Options) (*Input, error) {
	if arg == "" {
		return nil, errors.New("the INPUT is empty")
	}
	if arg == "-" {
		s, err := mjpeg.Open("-", mjpeg.Options{})
		return &Input{Source: s}, err
	}
	if strings.HasPrefix(arg, "/dev/video") || strings.HasPrefix(arg, "/dev/v4l/") {
		return live[*v4l2.Source](o)(v4l2.New(arg))
	}
	if m := scheme.FindStringSubmatch(arg); m != nil {
		if _, err := os.Stat(arg); err != nil { // a file may be called that
			return address(m[1], arg, o)
		}
	}
	return file(arg, o)
}

func address(scheme, arg string, o Options) (*Input, error) {
	switch scheme {
	case "v4l2":
		return live[*v4l2.Source](o)(v4l2.New(arg))
	case "synth":
		return drawn(arg)
	case "gocv":
		return opencv(strings.TrimPrefix(arg, "gocv:"), o)
	case "ffmpeg":
		return child(strings.TrimPrefix(arg, "ffmpeg:"), o)
	case "http", "https":
		u, err := url.Parse(arg)
		if err != nil {
			return nil, errors.New("the address of the camera cannot be read: write http://host/path")
		}
		if !slices.Contains(streamed, strings.ToLower(filepath.Ext(u.Path))) {
			return live[*mjpeg.HTTP](o)(mjpeg.OpenURL(arg, mjpeg.HTTPOptions{}))
		}
		return child(arg, o)
	}
	if strings.HasPrefix(arg[len(scheme):], "://") {
		return child(arg, o)
	}
	return nil, fmt.Errorf("%s: nothing is known here by the name %q; %s", arg, scheme, Forms)
}

// live makes an Input of a source that is run again when it fails.
func live[S camera.Source](o Options) func(s S, err error) (*Input, error) {
	return func(s S, err error) (*Input, error) {
		if err != nil {
			return nil, err
		}
		return &Input{Source: &camera.Supervisor{Source: s, Tries: tries, Report: o.Report}, Live: true}, nil
	}
}

func drawn(arg string) (*Input, error) {
	options, err := synth.Parse(arg)
	if err != nil {
		return nil, err
	}
	s, err := synth.New(options)
	if err != nil {
		return nil, err
	}
	in := &Input{Source: s, Live: s.Options().Pace == "real", Total: s.Options().Frames}
	return in, nil
}

// endless are the schemes of streams that go on for ever.
var endless = []string{"rtsp", "rtsps", "rtmp", "rtmps", "srt", "rtp", "udp"}

// child opens what ffmpeg reads: a clip, or a stream that goes on.
func child(arg string, o Options) (*Input, error) {
	s, err := ffmpeg.Open(arg, ffmpeg.Options{RealTime: o.Paced})
	scheme, _, isURL := strings.Cut(arg, "://")
	if o.Paced || isURL && slices.Contains(endless, strings.ToLower(scheme)) {
		return live[*ffmpeg.Source](o)(s, err)
	}
	if err != nil {
		return nil, err
	}
	return &Input{Source: s, Files: []string{strings.TrimPrefix(arg, "file:")}}, nil
}

// opencv opens what OpenCV reads: a camera by its number, a stream, or a clip.
func opencv(arg string, o Options) (*Input, error) {
	_, err := strconv.Atoi(arg)
	scheme, _, isURL := strings.Cut(arg, "://")
	goesOn := err == nil || isURL && slices.Contains(endless, strings.ToLower(scheme))
	s, err := gocv.Open(arg, gocv.Options{Live: goesOn})
	if goesOn {
		return live[camera.Source](o)(s, err)
	}
	if err != nil {
		return nil, err
	}
	return &Input{Source: s, Files: []string{arg}}, nil
}

func file(arg string, o Options) (*Input, error) {
	switch ext := strings.ToLower(filepath.Ext(arg)); {
	case slices.Contains(still.Extensions, ext), isPattern(arg), isFolder(arg):
		s, err := still.Open(arg, still.Options{Broken: o.Broken})
		if err != nil {
			return nil, err
		}
		files := s.Files()
		if len(files) == 1 && ext == ".gif" { // a clip, which ends where it is broken
			s, err = still.Open(arg, still.Options{})
			return &Input{Source: s, Name: s.Name, Files: files}, err
		}
		return &Input{Source: s, Name: s.Name, Stills: true, Total: len(files), Files: files}, nil
	case ext == ".mjpg" || ext == ".mjpeg" || ext == ".y4m":
		if err := exists(arg); err != nil {
			return nil, err
		}
		s, err := mjpeg.Open(arg, mjpeg.Options{})
		return &Input{Source: s, Files: []string{arg}}, err
	}
	if err := exists(arg); err != nil {
		return nil, err
	}
	return child(arg, o)
}

// exists says why a file cannot be read, as far as its name tells.
func exists(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: there is no such file; cameras are /dev/video0, rtsp://... or http://..., and synth:street is always there (%w)", path, fs.ErrNotExist)
	}
	return err
}

// isPattern says whether files are meant that match arg; what is there by that name is meant itself.
func isPattern(arg string) bool {
	_, err := os.Stat(arg)
	return strings.ContainsAny(arg, "*?[") && errors.Is(err, fs.ErrNotExist)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
