package arch

import "github.com/ocellus-vision/ocellus/model"

// FaceLandmarks looks at a face that is aligned nearly, by landmarks that are known roughly, and says how far right and down of where they were put the eyes, the
// tip of the nose and the corners of the mouth are, in distances between the eyes.
func FaceLandmarks(seed uint64) *model.Graph {
	b := NewBuilder("face_landmarks", seed)
	x := b.Input("image", 3, 48, 48)
	x = b.ConvBN(x, ConvSpec{Out: 10, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 16, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 16, K: 3})
	x = b.ConvBN(x, ConvSpec{Out: 28, K: 3, Stride: 2})
	x = b.ConvBN(x, ConvSpec{Out: 28, K: 3})
	x = b.ConvBN(x, ConvSpec{Out: 8})
	b.Gain(0.1)
	b.Output("offsets", b.Dense(x, 10))
	return b.Graph
}
