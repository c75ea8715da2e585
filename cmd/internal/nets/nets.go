// Package nets finds, reads and compiles the networks that look at pictures: those in the program and those of the user.
package nets

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/ocellus-vision/ocellus/cmd/internal/cards"
	"github.com/ocellus-vision/ocellus/cmd/internal/models"
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/onnx"
	"github.com/ocellus-vision/ocellus/model/task/card"
	"github.com/ocellus-vision/ocellus/model/task/picture"
	"github.com/ocellus-vision/ocellus/model/zoo"
)

// Request says which network is wanted and what is known of it.
type Request struct {
	Default       string    // name in model/zoo, where File is empty; the network that the user chose for it comes first
	File          string    // .onnx, or the name of a network in the user's data folder
	Card          card.Card // comes before the card beside the file and that in its metadata
	Width, Height int       // of the input where nothing says
	Smaller       bool      // the Net is to have smaller inputs too, where the network leaves the size open and Card does not give one
	Threads       int       // 0: one per CPU
	Detect        bool      // objects are to be found with it: of a classifier of windows, Net is one that moves the window over pictures

	refines bool // it is another Net's Refine
}

// Net is a network that is ready to be used. Its Program serves many Sessions.
type Net struct {
	Name    string // for people: the file, or that it is the program's own
	SHA256  string // of the file
	Program *model.Program
	Smaller []*model.Program // the same for smaller inputs, the largest first
	Card    card.Card
	Meta    map[string]string
	Params  int64 // parameters in the file
	Refine  *Net  // what looks again at what is found, where Card names one
}

// maxBytes is the largest file of a network that is read at once; larger ones have their weights in other files.
const maxBytes = 2 << 30

// Load reads, describes and compiles a network. Where the program has none of the name, the error is a *zoo.MissingError.
func Load(r Request) (*Net, error) {
	var g *model.Graph
	var side card.Card
	chosen, err := find(&r)
	if err != nil {
		return nil, err
	}
	n := &Net{Name: r.File}
	if r.File == "" {
		b, err := zoo.Default(r.Default)
		if err != nil {
			return nil, err
		}
		n.Name, n.SHA256 = "the program's own "+r.Default, digest(b)
		if g, err = onnx.Read(b); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
	} else {
		if side, err = cards.Beside(r.File); err != nil {
			return nil, err
		}
		if g, err = onnx.ReadFile(r.File); err != nil {
			return nil, err
		}
		if n.SHA256, err = digestFile(r.File); err != nil {
			return nil, err
		}
	}
	if chosen != "" && n.SHA256 != chosen {
		return nil, fmt.Errorf("%s: not the file that was chosen for %s: choose again with 'ocellus models use'", r.File, r.Default)
	}
	meta, err := card.FromMeta(g.Meta)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	n.Meta, n.Params = g.Meta, g.Params()
	n.Card = r.Card.Over(side).Over(meta)
	if r.Detect {
		if g, n.Card, err = Detector(g, n.Card); err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	if err := n.compile(g, r); err != nil {
		return nil, err
	}
	if name := n.Card.Refine; name != "" {
		switch {
		case r.refines:
			return nil, fmt.Errorf("%s: it refines what another network finds: its card names none that refines it", n.Name)
		case !slices.Contains(zoo.Names, name):
			return nil, fmt.Errorf("%s: refine: there is no default network %q; there are %s", n.Name, name, strings.Join(zoo.Names, ", "))
		}
		n.Refine, err = Load(Request{Default: name, Threads: r.Threads, refines: true})
	}
	return n, err
}

// find puts the file that is meant into r. chosen is the digest that it must have, where the user chose it for a default network.
func find(r *Request) (chosen string, err error) {
	if r.File == "" {
		r.File, chosen, err = models.Chosen(r.Default)
		return chosen, err
	}
	r.File, err = models.Resolve(r.File)
	return "", err
}

func (n *Net) compile(g *model.Graph, r Request) error {
	w, h := r.Width, r.Height
	if n.Card.Input.Size != "" {
		var err error
		if w, h, err = card.ParseSize(n.Card.Input.Size); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
	}
	if len(g.Inputs) != 1 {
		return fmt.Errorf("%s: the network has %d inputs; pictures go to networks of one", n.Name, len(g.Inputs))
	}
	shape, err := picture.Shape(g.Inputs[0].Shape, w, h)
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	if r.Smaller && r.Card.Input.Size == "" {
		n.smaller(g, shape, [2]int{w, h}, r.Threads)
	}
	n.Program, err = model.Compile(g, model.Options{Inputs: map[string][]int{g.Inputs[0].Name: shape}, Threads: r.Threads, Consume: true, ChannelsLast: true})
	runtime.GC() // what was only needed for compiling goes now, and not during the first runs
	if err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	switch gotW, gotH, err := picture.InputSize(n.Program); {
	case err != nil:
		return fmt.Errorf("%s: %w", n.Name, err)
	case n.Card.Input.Size != "" && (gotW != w || gotH != h):
		return fmt.Errorf("%s: the network takes pictures of %dx%d, not %s", n.Name, gotW, gotH, n.Card.Input.Size)
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxBytes {
		return "", errors.New(path + ": larger than 2 GiB")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return digest(b), nil
}
