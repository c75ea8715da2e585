// Package examples feeds pictures in files to a classifier that is taught.
package examples

import (
	"fmt"
	"sync"

	"github.com/ocellus-vision/ocellus/camera/still"
	"github.com/ocellus-vision/ocellus/cmd/internal/pictures"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/classify"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/tensor"
	"github.com/ocellus-vision/ocellus/model/train/data"
)

// Feeder returns how a file becomes the input of a network of one: as task/classify feeds it.
func Feeder(g *model.Graph, c card.Card) (data.Pictures, error) {
	none := data.Pictures{}
	if len(g.Inputs) != 1 {
		return none, fmt.Errorf("the network has %d inputs; a classifier of pictures has one", len(g.Inputs))
	}
	w, h := 224, 224
	var err error
	if c.Input.Size != "" {
		if w, h, err = card.ParseSize(c.Input.Size); err != nil {
			return none, err
		}
	}
	shape, err := picture.Shape(g.Inputs[0].Shape, w, h)
	if err != nil {
		return none, err
	}
	p, err := model.Compile(g, model.Options{Inputs: map[string][]int{g.Inputs[0].Name: shape}, Threads: 1})
	if err != nil {
		return none, err
	}
	net, err := classify.New(p, c)
	if err != nil {
		return none, err
	}
	in := net.Card().Input
	if _, err := picture.New(p, in); err != nil {
		return none, err
	}
	pool := sync.Pool{New: func() any { n, _ := picture.New(p, in); return n }}
	return data.Pictures{Field: g.Inputs[0].Name, Shape: shape[1:], Extensions: still.Extensions, Decode: func(path string, dst *tensor.Tensor) error {
		pic, err := pictures.Read(path)
		if err != nil {
			return err
		}
		n := pool.Get().(*picture.Net)
		defer pool.Put(n)
		x, err := n.Input(pic)
		if err == nil {
			dst.CopyFrom(x)
		}
		return err
	}}, nil
}
