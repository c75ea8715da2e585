package view

import (
	"image"
	"image/color"
	"strconv"
)

// blocks appends a picture as rows of upper half blocks, two pixels a character: the upper one in the colour of the letter, the lower one in that of its ground.
func blocks(dst []byte, img *image.RGBA, colours int) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	for y := 0; y < h; y += 2 {
		if y > 0 {
			dst = append(dst, "\r\n"...)
		}
		fore, back := -1, -1 // in force; -1: none yet
		for x := range w {
			up, low := img.RGBAAt(x, y), color.RGBA{A: 255}
			if y+1 < h {
				low = img.RGBAAt(x, y+1)
			}
			if i := shown(up, colours); i != fore {
				dst, fore = escape(dst, "38", i, colours), i
			}
			if i := shown(low, colours); i != back {
				dst, back = escape(dst, "48", i, colours), i
			}
			dst = append(dst, "▀"...)
		}
		dst = append(dst, "\x1b[0m\x1b[K"...)
	}
	return dst
}

// shown is the number of a colour: 0xRRGGBB, or, where the terminal has 256, the place of the nearest of those.
func shown(c color.RGBA, colours int) int {
	if colours == 256 {
		return index256(c)
	}
	return int(c.R)<<16 | int(c.G)<<8 | int(c.B)
}

// escape appends the change to a colour.
func escape(dst []byte, what string, c, colours int) []byte {
	dst = append(append(dst, "\x1b["...), what...)
	if colours == 256 {
		dst = strconv.AppendInt(append(dst, ";5;"...), int64(c), 10)
	} else {
		dst = append(dst, ";2"...)
		for _, v := range [3]int{c >> 16, c >> 8 & 255, c & 255} {
			dst = strconv.AppendInt(append(dst, ';'), int64(v), 10)
		}
	}
	return append(dst, 'm')
}

// cube are the levels of the colours 16 to 231 of a terminal of 256 colours, which are a cube of six; 232 to 255 are greys from 8 in steps of 10.
var cube = [6]int{0, 95, 135, 175, 215, 255}

// index256 returns the nearest of a terminal's 256 colours.
func index256(c color.RGBA) int {
	square := func(a int) int { return a * a }
	var at [3]int
	distance := 0
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		best := 1 << 20
		for j, level := range cube {
			if d := square(int(v) - level); d < best {
				at[i], best = j, d
			}
		}
		distance += best
	}
	mean := (int(c.R) + int(c.G) + int(c.B)) / 3
	grey := min(max((mean-3)/10, 0), 23)
	level := 8 + 10*grey
	if square(int(c.R)-level)+square(int(c.G)-level)+square(int(c.B)-level) < distance {
		return 232 + grey
	}
	return 16 + 36*at[0] + 6*at[1] + at[2]
}
