package synth

// Classes of the label map, in CamVid's order.
const (
	Sky uint8 = iota
	Building
	Pole
	Road
	Pavement
	Tree
	Sign
	Fence
	Car
	Pedestrian
	Bicyclist
	Void
)

// ClassNames are the names of the classes.
var ClassNames = [...]string{"sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist", "void"}

// Truth is what is in a picture. That of a camera.Frame lies in the frame's memory: keep a Clone, not the Truth itself.
type Truth struct {
	Width, Height int
	Objects       []Object // persons, cars and bicyclists, of which at least one pixel is in the picture; the farthest first
	Faces         []Face   // of portraits
	Labels        []uint8  // class of each pixel, [Height, Width]
	IDs           []uint8  // i+1 where Objects[i] is seen, else 0, [Height, Width]
}

// Object is a thing that moves by itself.
type Object struct {
	Class      uint8      // Car, Pedestrian or Bicyclist
	ID         int        // from 1 on: the same for the same thing in every frame of a source
	Box        [4]float64 // x, y, width, height in pixels: around the whole of it, hidden parts included, as far as it is in the picture
	Full       [4]float64 // the same, beyond the picture's edges too
	Visibility float64    // share of the whole that is seen, 0..1
	Distance   float64    // from the camera, metres
}

// Face is a face of a portrait.
type Face struct {
	Identity  uint64        // the same for the same person
	Box       [4]float64    // x, y, width, height in pixels: brow to chin, cheek to cheek
	Landmarks [5][2]float64 // the eye that is left in the picture, the right one, the nose's tip, the mouth's left and right corners
}

// Clone returns a copy that shares no memory.
func (t *Truth) Clone() *Truth {
	c := *t
	c.Objects = append([]Object(nil), t.Objects...)
	c.Faces = append([]Face(nil), t.Faces...)
	c.Labels = append([]uint8(nil), t.Labels...)
	c.IDs = append([]uint8(nil), t.IDs...)
	return &c
}

// Mask sets dst, [Height, Width], to 255 where Objects[i] is seen and to 0 elsewhere. It panics when dst has another size.
func (t *Truth) Mask(dst []uint8, i int) {
	if len(dst) != len(t.IDs) {
		panic("synth: Mask: dst is not of the picture's size")
	}
	for p, id := range t.IDs {
		dst[p] = 0
		if int(id) == i+1 {
			dst[p] = 255
		}
	}
}
