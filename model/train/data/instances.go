package data

import "fmt"

// object draws what is pasted: a picture of one object, and its mask.
func (c *composition) object() (pic, mask Pixels, err error) {
	if c.sheets[cutout] == nil || c.r.Chance(c.Compose.Instances) {
		pic, mask, err = c.instance()
		if err != nil || pic.W > 0 || c.sheets[cutout] == nil {
			return pic, mask, err
		}
	}
	files := c.sheets[cutout]
	return c.masked(files[c.r.Intn(len(files))])
}

// masked reads a picture and its mask.
func (c *composition) masked(name string) (pic, mask Pixels, err error) {
	if pic, err = c.picture(name); err != nil {
		return pic, mask, err
	}
	if mask, err = c.picture(maskFile(name)); err != nil {
		return pic, mask, err
	}
	if mask.W != pic.W || mask.H != pic.H {
		err = fmt.Errorf("%s: a mask of %dx%d pixels for %dx%d", maskFile(name), mask.W, mask.H, pic.W, pic.H)
	}
	return pic, mask, err
}

// instance cuts an object out of an annotated picture, by the number that its pixels have in the mask. Of objects that the picture cuts off, or that are small,
// and of masks without any, the result is empty.
func (c *composition) instance() (pic, mask Pixels, err error) {
	whole, numbers, err := c.masked(c.frames[c.r.Intn(len(c.frames))].File)
	if err != nil {
		return pic, mask, err
	}
	most := byte(0)
	for i := 0; i < len(numbers.Pix); i += 3 {
		most = max(most, numbers.Pix[i])
	}
	if most == 0 {
		return pic, mask, nil
	}
	number := byte(1 + c.r.Intn(int(most)))
	x0, y0, x1, y1 := whole.W, whole.H, 0, 0
	for y := range whole.H {
		for x := range whole.W {
			if numbers.Pix[3*(y*whole.W+x)] == number {
				x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x+1), max(y1, y+1)
			}
		}
	}
	const rim, least = 2, 64
	if y1-y0 < least || x0 < rim || y0 < rim || x1 > whole.W-rim || y1 > whole.H-rim {
		return pic, mask, nil
	}
	// A rim lets the mask end softly.
	x0, y0, x1, y1 = x0-rim, y0-rim, x1+rim, y1+rim
	w, h := x1-x0, y1-y0
	pic, mask = Pixels{w, h, 3, make([]byte, 3*w*h)}, Pixels{w, h, 3, make([]byte, 3*w*h)}
	for y := range h {
		from := 3 * ((y0+y)*whole.W + x0)
		copy(pic.Pix[3*y*w:3*(y+1)*w], whole.Pix[from:])
		for x := range w {
			if numbers.Pix[from+3*x] == number {
				m := mask.Pix[3*(y*w+x):]
				m[0], m[1], m[2] = 255, 255, 255
			}
		}
	}
	return pic, mask, nil
}
