package v4l2

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ocellus-vision/ocellus/camera"
)

// most bounds how many formats, sizes and rates a driver is asked for: one that never says "no more" does not hang the program.
const most = 256

// Devices returns the devices that give pictures, in order of their numbers, with what each offers. A camera's other device files, such as
// the one for metadata, are left out.
func Devices() ([]Device, error) {
	var all []Device
	for _, path := range nodes() {
		if d, captures := examine(path, openDevice); captures || d.Err != nil {
			all = append(all, d)
		}
	}
	return all, nil
}

const nodePrefix = "/dev/video"

// numbered says whether a path is that of a device by its number, which may be another after it was plugged in again.
func numbered(path string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(path, nodePrefix), 10, 32)
	return strings.HasPrefix(path, nodePrefix) && err == nil
}

// nodes returns the paths of all devices, cameras and others, in order of their numbers.
func nodes() []string {
	paths, _ := filepath.Glob(nodePrefix + "*") // its only error is of the pattern
	paths = slices.DeleteFunc(paths, func(path string) bool { return !numbered(path) })
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return paths
}

// locate returns where the camera is that was opened last: the number in the path that the URI names may have changed hands. A camera that is
// in no other place, or was never opened, is where the URI says.
func (s *Source) locate() string {
	if s.last == (identity{}) || !numbered(s.path) || s.identify(s.path) == s.last {
		return s.path
	}
	other := ""
	for _, path := range s.nodes() {
		switch is := s.identify(path); {
		case is == s.last:
			return path
		case is.card == s.last.card && is.card != "" && other == "":
			other = path // the same kind of camera at another port
		}
	}
	return cmp.Or(other, s.path)
}

// identify returns which camera a device gives pictures of; nothing if none.
func (s *Source) identify(path string) identity {
	p, err := s.open(path)
	if err != nil {
		return identity{}
	}
	defer p.close()
	if c, err := query(p); err == nil && c.ofNode()&capVideoCapture != 0 {
		return c.identity()
	}
	return identity{}
}

func (c *capability) identity() identity { return identity{text(c.card[:]), text(c.bus[:])} }

// examine opens a device and asks what it is. captures is false of one that gives no pictures.
func examine(path string, open func(string) (port, error)) (d Device, captures bool) {
	d.Path = path
	p, err := open(path)
	if err != nil {
		d.Err = explain(path, "open", err)
		return d, false
	}
	defer p.close()
	c, err := query(p)
	if err != nil {
		d.Err = explain(path, "query", err)
		return d, false
	}
	d.Name, d.Driver, d.Bus = text(c.card[:]), text(c.driver[:]), text(c.bus[:])
	switch caps := c.ofNode(); {
	case caps&capVideoCapture != 0:
		d.Sizes, d.Others = sizes(p)
	case caps&capVideoCaptureMPlane != 0:
		d.Err = errPlanes(path)
	default:
		return d, false
	}
	return d, true
}

func errPlanes(path string) error {
	return fmt.Errorf("v4l2: %s gives its pictures in separate planes, which is not read here; use ffmpeg:%s, or rpicam-vid for a sensor of a Raspberry Pi", path, path)
}

func query(p port) (*capability, error) {
	c := new(capability)
	return c, p.ioctl(queryCap, unsafe.Pointer(c))
}

// ofNode returns what this device file can do; the card as a whole may do more.
func (c *capability) ofNode() uint32 {
	if c.capabilities&capDeviceCaps != 0 {
		return c.deviceCap
	}
	return c.capabilities
}

// sizes lists what a camera offers, and the formats that are not read here.
func sizes(p port) (all []Size, others []string) {
	for i := range uint32(most) {
		f := &fmtdesc{index: i, typ: bufTypeVideoCapture}
		if p.ioctl(enumFmt, unsafe.Pointer(f)) != nil {
			break
		}
		ours, ok := formatOf(f.pixelFormat)
		if !ok {
			others = append(others, f.pixelFormat.String())
			continue
		}
		if !slices.ContainsFunc(all, func(s Size) bool { return s.Format == ours }) {
			all = append(all, formatSizes(p, f.pixelFormat, ours)...)
		}
	}
	return all, others
}

func formatSizes(p port, code fourCC, ours camera.Format) []Size {
	var all []Size
	for i := range uint32(most) {
		e := &frmsizeenum{index: i, pixelFormat: code}
		if p.ioctl(enumFrameSizes, unsafe.Pointer(e)) != nil {
			break
		}
		s := Size{Format: ours}
		v := e.size
		if e.typ == kindDiscrete {
			s.Width, s.Height, s.MinWidth, s.MinHeight = int(v[0]), int(v[1]), int(v[0]), int(v[1])
		} else {
			s.MinWidth, s.Width, s.StepX = int(v[0]), int(v[1]), int(v[2])
			s.MinHeight, s.Height, s.StepY = int(v[3]), int(v[4]), int(v[5])
		}
		s.Width, s.Height = min(s.Width, maxSide), min(s.Height, maxSide)
		if s.MinWidth < 1 || s.MinHeight < 1 || s.MinWidth > s.Width || s.MinHeight > s.Height {
			continue // a driver's nonsense
		}
		s.FPS = rates(p, code, s.Width, s.Height)
		all = append(all, s)
		if e.typ != kindDiscrete {
			break // a range is the only entry
		}
	}
	if len(all) == 0 { // a driver that lists no sizes takes what it is asked for, or says what it takes instead
		all = append(all, Size{Format: ours, Width: maxSide, Height: maxSide, MinWidth: 1, MinHeight: 1})
	}
	return all
}

func rates(p port, code fourCC, w, h int) []float64 {
	var all []float64
	add := func(f fract) {
		if fps := float64(f.den) / float64(f.num); f.num > 0 && f.den > 0 && fps <= maxFPS {
			all = append(all, fps)
		}
	}
	for i := range uint32(most) {
		e := &frmivalenum{index: i, pixelFormat: code, width: uint32(w), height: uint32(h)}
		if p.ioctl(enumFrameIntervals, unsafe.Pointer(e)) != nil {
			break
		}
		add(e.interval[0])
		if e.typ == kindDiscrete {
			continue
		}
		add(e.interval[1])
		if len(all) == 2 { // any rate between: the usual ones are offered
			slowest, fastest := slices.Min(all), slices.Max(all)
			for _, fps := range []float64{5, 10, 15, 20, 25, 30, 50, 60} {
				if fps > slowest && fps < fastest {
					all = append(all, fps)
				}
			}
		}
		break
	}
	slices.Sort(all)
	slices.Reverse(all)
	return slices.Compact(all)
}

// layout is the agreed format of pictures in memory.
type layout struct {
	Mode
	colour camera.Colour
	stride int
	size   int // bytes that a picture has, or for JPEG may have
	widen  bool
}

// configure asks for the format that o wants and returns what the camera agreed to.
func configure(p port, o options, path, card string) (layout, error) {
	who := fmt.Sprintf("v4l2: %s (%s)", path, card)
	offered, others := sizes(p)
	if len(offered) == 0 {
		return layout{}, fmt.Errorf("%s gives none of yuyv, nv12, grey and mjpeg, but %s; try ffmpeg:%s", who, strings.Join(others, ", "), path)
	}
	m, err := choose(offered, o)
	if err != nil {
		return layout{}, fmt.Errorf("%s: %w", who, err)
	}
	f := &format{typ: bufTypeVideoCapture}
	for _, c := range codes {
		if c.format != m.Format {
			continue
		}
		*f = format{typ: bufTypeVideoCapture}
		f.pix = pixFormat{width: uint32(m.Width), height: uint32(m.Height), pixelFormat: c.code, field: fieldNone}
		if err = p.ioctl(setFmt, unsafe.Pointer(f)); err != nil || f.pix.pixelFormat == c.code {
			break
		}
	}
	if err != nil {
		return layout{}, explain(path, "set the format of", err)
	}
	l, err := newLayout(f.pix, o.luma)
	if err != nil {
		return layout{}, fmt.Errorf("%s %w", who, err)
	}
	if !o.anyFormat && l.Format != o.format {
		return layout{}, fmt.Errorf("%s was asked for %s and gives %s", who, formatName(o.format), formatName(l.Format))
	}
	l.FPS = setRate(p, m.FPS)
	return l, nil
}

// newLayout checks what a driver says of its pictures.
func newLayout(f pixFormat, luma lumaRange) (layout, error) {
	ours, ok := formatOf(f.pixelFormat)
	if !ok {
		return layout{}, fmt.Errorf("gives %s, which is not read here", f.pixelFormat)
	}
	if f.width < 1 || f.height < 1 || f.width > maxSide || f.height > maxSide {
		return layout{}, fmt.Errorf("gives pictures of %dx%d pixels, which cannot be", f.width, f.height)
	}
	w, h := int(f.width), int(f.height)
	l := layout{Mode: Mode{Format: ours, Width: w, Height: h}, colour: colour(f, luma)}
	row := w
	if ours == camera.YUYV {
		row = (w + 1) / 2 * 4
	} else if ours == camera.NV12 {
		row = (w + 1) / 2 * 2
	}
	l.stride = max(row, int(min(f.bytesPerLine, 4*maxSide)))
	switch ours {
	case camera.JPEG:
		l.colour, l.stride = camera.BT601Full, 0
		l.size = int(min(f.sizeImage, 4*maxSide*maxSide))
	case camera.NV12:
		l.size = l.stride*(h+(h+1)/2-1) + row
	default:
		l.size = l.stride*(h-1) + row
	}
	l.widen = ours == camera.Grey && (luma == limited || luma == asDriverSays && f.quantization > quantizationFull)
	return l, nil
}

// colour returns the standard of a driver's YUYV and NV12. What the driver leaves open follows from the colour space, as videodev2.h defines.
func colour(f pixFormat, luma lumaRange) camera.Colour {
	hd := f.ycbcrEnc == ycbcr709 || f.ycbcrEnc == ycbcrXV709
	if f.ycbcrEnc == ycbcrDefault {
		hd = f.colorspace == colorspaceREC709 || f.colorspace == colorspaceDCIP3 || f.colorspace == colorspaceBT2020
	}
	wide := f.quantization == quantizationFull || f.quantization == quantizationDefault && f.colorspace == colorspaceJPEG
	if luma != asDriverSays {
		wide = luma == full
	}
	switch {
	case hd && wide:
		return camera.BT709Full
	case hd:
		return camera.BT709
	case wide:
		return camera.BT601Full
	}
	return camera.BT601
}

// setRate asks for a rate and returns the one that the camera agreed to, or 0 where it does not say.
func setRate(p port, fps float64) float64 {
	s := &streamparm{typ: bufTypeVideoCapture}
	s.timePerFrame = fract{1000, uint32(math.Round(fps * 1000))}
	if p.ioctl(setParm, unsafe.Pointer(s)) != nil {
		*s = streamparm{typ: bufTypeVideoCapture}
		if p.ioctl(getParm, unsafe.Pointer(s)) != nil {
			return 0
		}
	}
	if t := s.timePerFrame; s.capability&capTimePerFrame != 0 && t.num > 0 && t.den > 0 {
		return float64(t.den) / float64(t.num)
	}
	return 0
}
