package view

import (
	"image"
	"strconv"
)

// levels are the shades of red, green and blue that sixel pictures have.
const (
	reds, greens, blues = 6, 7, 6
	colours             = reds * greens * blues
)

// spread is a 4x4 ordered dither (Bayer, An optimum method for two-level rendition of continuous-tone pictures, ICC 1973), in sixteenths.
var spread = [4][4]int{{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}}

// shade returns which of n levels a byte is, between two by the dither.
func shade(v uint8, n, dither int) int {
	return (int(v)*(n-1)*16 + 255*dither + 127) / (255 * 16)
}

// sixels appends a picture as sixels (DEC STD 070, Video Systems Reference Manual): bands of six rows, and in each, colour by colour, a character for
// the six pixels of a column.
func sixels(dst []byte, img *image.RGBA) []byte {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	number := func(v int) { dst = strconv.AppendInt(dst, int64(v), 10) }
	dst = append(dst, "\x1bP0;1q\"1;1;"...) // pixels that are not drawn stay; square ones
	number(w)
	dst = append(dst, ';')
	number(h)
	for i := range colours {
		dst = append(dst, '#')
		number(i)
		dst = append(dst, ";2"...)
		for _, v := range [3]int{i / (greens * blues) * 100 / (reds - 1), i / blues % greens * 100 / (greens - 1), i % blues * 100 / (blues - 1)} {
			dst = append(dst, ';')
			number(v)
		}
	}
	columns := make([][]uint8, colours) // of the colours in the band
	for y := 0; y < h; y += 6 {
		var used []int
		for v := range min(6, h-y) {
			for x := range w {
				c := img.RGBAAt(x, y+v)
				d := spread[(y+v)%4][x%4]
				i := (shade(c.R, reds, d)*greens+shade(c.G, greens, d))*blues + shade(c.B, blues, d)
				if columns[i] == nil {
					columns[i] = make([]uint8, w)
				}
				if len(used) == 0 || used[len(used)-1] != i {
					used = append(used, i)
				}
				columns[i][x] |= 1 << v
			}
		}
		for _, i := range used {
			if columns[i] == nil {
				continue // was written already
			}
			dst = append(dst, '#')
			number(i)
			dst = row(dst, columns[i])
			dst = append(dst, '$')
			columns[i] = nil
		}
		dst = append(dst, '-')
	}
	return append(dst, "\x1b\\"...)
}

// row appends the columns of one colour, equal ones as a count.
func row(dst []byte, columns []uint8) []byte {
	for x := 0; x < len(columns); {
		n := 1
		for x+n < len(columns) && columns[x+n] == columns[x] {
			n++
		}
		c := '?' + columns[x]
		switch {
		case columns[x] == 0 && x+n == len(columns): // the rest of the line is empty
		case n > 3:
			dst = append(strconv.AppendInt(append(dst, '!'), int64(n), 10), c)
		default:
			for range n {
				dst = append(dst, c)
			}
		}
		x += n
	}
	return dst
}
