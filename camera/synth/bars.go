package synth

// bars is a test pattern: eight bars of colour, a ramp of grey, and a white square that moves a hundredth of the width each frame.
type bars struct {
	o      Options
	c      *canvas
	sensor sensor
}

func newBars(o Options) *bars {
	m := blurRadius(o)
	return &bars{o: o, c: newCanvas(o.Width+2*m, o.Height+2*m), sensor: newSensor(o, 1)}
}

func (b *bars) frame(t float64, n uint64, buf []byte, truth *Truth) {
	w, h, m := b.o.Width, b.o.Height, b.sensor.radius
	side := max(h/6, 2)
	step := uint64(max(w/100, 1))
	left := int(n * step % uint64(w))
	for y := range b.c.h {
		row := b.c.pix[4*y*b.c.w : 4*(y+1)*b.c.w]
		yy := min(max(y-m, 0), h-1)
		for x := range b.c.w {
			xx := min(max(x-m, 0), w-1)
			var r, g, bl uint8
			switch bar := 7 - xx*8/w; {
			case yy >= h*3/4:
				r = uint8(xx * 255 / max(w-1, 1))
				g, bl = r, r
			default:
				r, g, bl = uint8((bar>>1&1)*191), uint8((bar>>2&1)*191), uint8((bar&1)*191)
			}
			if in := (xx - left + w) % w; in < side && yy >= h/3 && yy < h/3+side {
				r, g, bl = 255, 255, 255
			}
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = r, g, bl, 255
		}
	}
	b.sensor.expose(b.c, m, 0, 0, n, buf)
	truth.Width, truth.Height = w, h
	truth.Objects, truth.Faces = truth.Objects[:0], truth.Faces[:0]
	truth.Labels, truth.IDs = buf[3*w*h:4*w*h:4*w*h], buf[4*w*h:5*w*h:5*w*h]
	for i := range truth.Labels {
		truth.Labels[i], truth.IDs[i] = Void, 0
	}
}
