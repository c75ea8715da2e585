// Package sinks writes pictures of results where the user wants them: a picture, a folder, an animated GIF, a video.
package sinks

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ocellus-vision/ocellus/camera/ffmpeg"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
)

// UsageError is about the OUTPUT that was named, not about writing to it.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

var errSize = errors.New("the pictures of a clip must all be of one size, of at most 65535 pixels a side")

// Forms says what an OUTPUT may be, for help texts.
const Forms = `OUTPUT is a picture (.png, .jpg; of a clip the last frame), a folder, an animation
(.gif) or a video (.mp4, .mkv, .avi, .webm, .mov: through ffmpeg).`

// Output is an OUTPUT. The nil Output takes pictures and does nothing.
type Output struct {
	path   string
	lies   string // path, absolute and without links
	folder bool
	stills bool
	files  *Files
	clip   clip        // a GIF or a video
	last   *image.RGBA // of a clip whose last frame is wanted
	count  int         // files that were written
}

// clip is a file of many frames.
type clip interface {
	write(img *image.RGBA, at time.Time) error
	close() error
}

// Options say what an Output is for.
type Options struct {
	Stills bool   // the pictures are of files, which results are named after; else they are frames of a clip
	Total  int    // pictures, where it is known
	Only   string // the extension that files must have, or ""
	Files  *Files // those of the run; nil: there are no others
}

// Open prepares an OUTPUT; "" is the nil Output.
func Open(path string, o Options) (*Output, error) {
	if path == "" {
		return nil, nil
	}
	if path == "-" {
		return nil, usagef("-: pictures are not written to standard output, where the results go; name a file or a folder, as ./- for one of this name")
	}
	out := &Output{path: path, stills: o.Stills, files: cmp.Or(o.Files, new(Files))}
	info, err := os.Stat(path)
	ext := strings.ToLower(filepath.Ext(path))
	isClip := ext == ".gif" || slices.Contains(ffmpeg.Extensions, ext)
	switch {
	case err == nil && info.IsDir(), strings.HasSuffix(path, "/"), ext == "":
		out.folder = true
		err := os.MkdirAll(path, 0o777)
		out.lies = resolve(path)
		return out, err
	case o.Only != "" && ext != o.Only:
		return nil, usagef("%s: it is written as %s", path, o.Only)
	case o.Stills && o.Total > 1 && !isClip:
		return nil, usagef("%s: %d pictures need a folder", path, o.Total)
	case ext == ".gif":
		out.clip = newGIF(path)
	case isClip:
		out.clip = &video{path: path}
	case !pictures.Writable(path):
		return nil, usagef("%s: pictures are written as .png or .jpg, clips as .gif or %s", path, strings.Join(ffmpeg.Extensions, ", "))
	}
	out.lies = resolve(path)
	if err := out.files.Claim(path); err != nil {
		return nil, err
	}
	return out, nil
}

// Path returns the file for what becomes of a source's picture, with an extension where that is not given.
func (o *Output) Path(source, ext string) (string, error) {
	if !o.folder {
		return o.path, nil
	}
	stem := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	name := stem + ext
	for i := 2; o.files.taken(filepath.Join(o.lies, name)); i++ {
		name = fmt.Sprintf("%s_%d%s", stem, i, ext)
	}
	path := filepath.Join(o.path, name)
	if err := o.files.spare(path); err != nil {
		return "", err
	}
	if o.stills { // the numbers of frames tell those apart
		o.files.take(filepath.Join(o.lies, name))
	}
	return path, nil
}

// Write takes the picture of a result, which came from a file (or "") as the frame of this number and time. It keeps img.
func (o *Output) Write(source string, seq uint64, at time.Time, img *image.RGBA) error {
	switch {
	case o == nil:
		return nil
	case o.clip != nil:
		if err := o.clip.write(img, at); err != nil {
			return fmt.Errorf("%s: %w", o.path, err)
		}
		o.count = 1
		return nil
	case !o.stills && !o.folder:
		o.last = img
		return nil
	}
	ext := ".png"
	if e := strings.ToLower(filepath.Ext(source)); e == ".jpg" || e == ".jpeg" {
		ext = ".jpg"
	}
	if !o.stills {
		source, ext = fmt.Sprintf("frame_%06d", seq), ".jpg"
	}
	path, err := o.Path(source, ext)
	if err == nil {
		err = pictures.Write(path, img)
	}
	if err == nil {
		o.count++
	}
	return err
}

// Close finishes what is written.
func (o *Output) Close() error {
	switch {
	case o == nil:
		return nil
	case o.clip != nil:
		if err := o.clip.close(); err != nil {
			o.count = 0
			return fmt.Errorf("%s: %w", o.path, err)
		}
	case o.last != nil:
		if err := pictures.Write(o.path, o.last); err != nil {
			return err
		}
		o.count = 1
	}
	return nil
}

// String says what was written: "out.mp4", "25 pictures in out".
func (o *Output) String() string {
	switch {
	case o == nil || o.count == 0:
		return ""
	case o.folder:
		return fmt.Sprintf("%d %s in %s", o.count, cmp.Or(map[bool]string{true: "picture"}[o.count == 1], "pictures"), o.path)
	}
	return o.path
}
