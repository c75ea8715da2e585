package teach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"

	"github.com/ocellus-vision/ocellus/kernels"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/picture"
)

// Person is the class that makes events; every other one is against them.
const Person = "person"

// window is a classifier that looks at one place of a picture.
type window struct {
	number int  // in the store
	base   bool // no lesson made it
	labels []string
	person int // class
	w, h   int // of the input
	object [4]float64
	spare  chan *classify.Classifier // holds the one that is made, while nobody uses it
}

// maxModel is the largest file of a classifier.
const maxModel = 256 << 20

// readModel reads a file of bounded size.
func readModel(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxModel {
		return nil, fmt.Errorf("%s: no file of at most %d MiB", name, maxModel>>20)
	}
	return os.ReadFile(name)
}

// openWindow reads a classifier.
func openWindow(file []byte, number, threads int) (*window, error) {
	g, err := onnx.Read(file)
	if err != nil {
		return nil, err
	}
	c, err := card.FromMeta(g.Meta)
	if err != nil {
		return nil, err
	}
	if len(g.Inputs) != 1 {
		return nil, fmt.Errorf("the network has %d inputs; a classifier of pictures has one", len(g.Inputs))
	}
	w, h := 64, 128
	if c.Input.Size != "" {
		if w, h, err = card.ParseSize(c.Input.Size); err != nil {
			return nil, err
		}
	}
	shape, err := picture.Shape(g.Inputs[0].Shape, w, h)
	if err != nil {
		return nil, err
	}
	p, err := model.Compile(g, model.Options{Inputs: map[string][]int{g.Inputs[0].Name: shape}, Threads: threads, Consume: true, ChannelsLast: true})
	if err != nil {
		return nil, err
	}
	first, err := classify.New(p, c)
	if err != nil {
		return nil, err
	}
	x := &window{number: number, labels: c.Labels, person: slices.Index(c.Labels, Person), spare: make(chan *classify.Classifier, 1)}
	if x.person < 0 || len(c.Labels) != first.Classes() {
		return nil, fmt.Errorf("its %d classes are %q; one of them must be %s, and each must have a name", first.Classes(), c.Labels, Person)
	}
	if x.w, x.h, err = picture.InputSize(p); err != nil {
		return nil, err
	}
	x.object = [4]float64{0, 0, float64(x.w), float64(x.h)}
	if c.Window != nil {
		x.object = [4]float64(c.Window.Object)
	}
	x.spare <- first
	return x, nil
}

var errBox = errors.New("the box is none of a place in the picture")

// crop returns what the classifier sees of a box of a picture: w x h pixels of RGB, in which the box is as high as objects are, and in their place. Beyond the
// picture its border repeats.
func (x *window) crop(pic kernels.Picture, box [4]float64) (kernels.Picture, error) {
	// What is far outside, or is not a number, is nobody's box.
	for _, v := range box {
		if !(v > -1e5 && v < 1e5) {
			return kernels.Picture{}, errBox
		}
	}
	if !(box[2] >= 1 && box[3] >= 1) || box[0] >= float64(pic.W) || box[1] >= float64(pic.H) || box[0]+box[2] <= 0 || box[1]+box[3] <= 0 {
		return kernels.Picture{}, errBox
	}
	scale := box[3] / x.object[3]
	middle := [2]float64{box[0] + box[2]/2, box[1] + box[3]/2}
	s := kernels.ResizeSpec{Format: pic.Format, Colour: pic.Colour, SrcW: pic.W, SrcH: pic.H, W: x.w, H: x.h, Order: kernels.RGB, Area: true,
		Crop: kernels.Rect{X: middle[0] - (x.object[0]+x.object[2]/2)*scale, Y: middle[1] - (x.object[1]+x.object[3]/2)*scale,
			W: float64(x.w) * scale, H: float64(x.h) * scale}}
	out := kernels.Picture{Format: kernels.RGB, W: x.w, H: x.h, Stride: 3 * x.w, Pix: make([]uint8, 3*x.w*x.h)}
	kernels.NewResize(s).RunBytes(nil, out.Pix, pic)
	return out, nil
}

// score returns the probability that a box of a picture shows a person.
func (x *window) score(ctx context.Context, pic kernels.Picture, box [4]float64) (float64, error) {
	part, err := x.crop(pic, box)
	if err != nil {
		return 0, err
	}
	var n *classify.Classifier
	select {
	case n = <-x.spare:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { x.spare <- n }()
	list, err := n.Classify(ctx, part, len(x.labels))
	if err != nil {
		return 0, err
	}
	for _, c := range list {
		if c.Class == x.person {
			return c.Score, nil
		}
	}
	return 0, nil
}

// encode writes a crop as PNG.
func encode(p kernels.Picture) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(img.Pix[4*i:4*i+3], p.Pix[3*i:])
		img.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}
