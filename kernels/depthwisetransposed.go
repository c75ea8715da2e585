package kernels

import (
	"unsafe"

	"github.com/ocellus-vision/ocellus/asm"
)

// depthwiseTransposed is a transposed convolution that gives each channel a window of its own, planned for one shape. Each phase, see ConvTranspose,
// is a depthwise convolution of stride 1 with some of the taps. It does not change, and may be shared.
type depthwiseTransposed struct {
	shape  Transposed2D
	oh, ow int
	phases []depthwisePhase
	zero   []float32
}

// depthwisePhase is a phase with the byte offsets of the input rows and columns under each of its output rows and columns: [rows][th], [cols][tw].
type depthwisePhase struct {
	phase
	under, beside []int64
}

// newDepthwiseTransposed plans a shape of equally many channels and groups, with dilations of at least 1.
func newDepthwiseTransposed(s Transposed2D) *depthwiseTransposed {
	d := &depthwiseTransposed{shape: s, oh: s.OH(), ow: s.OW(), zero: zeros(laneBlock)}
	for _, f := range phasesOf(&s) {
		d.phases = append(d.phases, depthwisePhase{
			f, offsets(f.rows, f.th, 1, f.dp, (f.th-1)*f.dp-f.p, s.H, 4*s.W*s.C), offsets(f.cols, f.tw, 1, f.dq, (f.tw-1)*f.dq-f.q, s.W, 4*s.C),
		})
	}
	return d
}

// weights returns memory for packed weights.
func (d *depthwiseTransposed) weights() []*DepthwiseWeights {
	var p []*DepthwiseWeights
	for _, f := range d.phases {
		p = append(p, newDepthwiseWeights(d.shape.C, len(f.taps)))
	}
	return p
}

// repack packs weights in one of a depthwise convolution's orders, and bias, [C] or nil.
func (d *depthwiseTransposed) repack(p []*DepthwiseWeights, w, bias []float32, order Order) {
	for i, f := range d.phases {
		p[i].pack(w, bias, order, f.taps, d.shape.KH*d.shape.KW)
	}
}

// fits says whether the weights are packed for this shape.
func (d *depthwiseTransposed) fits(p []*DepthwiseWeights) bool {
	if len(p) != len(d.phases) {
		return false
	}
	for i, f := range d.phases {
		if p[i].c != d.shape.C || p[i].taps != len(f.taps) {
			return false
		}
	}
	return true
}

// depthwiseTransposedTask is a depthwise transposed convolution being computed. Its tiles are pictures by bands of output rows.
type depthwiseTransposedTask struct {
	plan     *depthwiseTransposed
	isa      ISA
	lanes    int
	dst, src *float32
	w        []*DepthwiseWeights
	act      Act
	bands    int
	perBand  int // output rows
}

var depthwiseTransposedTasks = poolOf[depthwiseTransposedTask]()

// run computes s.N pictures, at least one, of slices that are long enough.
func (d *depthwiseTransposed) run(t *Team, dst, src []float32, w []*DepthwiseWeights, act Act) {
	s := &d.shape
	k := depthwiseTransposedTasks.Get().(*depthwiseTransposedTask)
	*k = depthwiseTransposedTask{plan: d, dst: &dst[0], src: &src[0], w: w, act: act}
	if k.isa, k.lanes = depthwiseLanes(use[OpDepthwise], s.C); k.lanes > s.C {
		k.isa, k.lanes = Generic, s.C
	}
	k.perBand = max(1, min(d.oh, smallTaps*laneBlock*s.SH*s.SW/(d.ow*s.C*s.KH*s.KW)))
	k.bands = (d.oh + k.perBand - 1) / k.perBand
	t.Run(k, s.N*k.bands)
	*k = depthwiseTransposedTask{}
	depthwiseTransposedTasks.Put(k)
}

// Tile computes a band of rows, phase by phase.
func (k *depthwiseTransposedTask) Tile(i, _ int) {
	d := k.plan
	n, band := i/k.bands, i%k.bands
	for y := band * k.perBand; y < min(d.oh, (band+1)*k.perBand); y++ {
		for p := range d.phases {
			if d.phases[p].y0 == y%d.shape.SH {
				k.row(n, y, p)
			}
		}
	}
}

// row computes what a row of a picture has of a phase.
func (k *depthwiseTransposedTask) row(picture, y, phase int) {
	d, s := k.plan, &k.plan.shape
	f, w := &d.phases[phase], k.w[phase]
	pixel := 4 * s.C
	dst := add(k.dst, ((picture*d.oh+y)*d.ow+f.x0)*pixel)
	if len(f.taps) == 0 {
		for x := range f.cols {
			for c, out := 0, unsafe.Slice(add(dst, x*s.SW*pixel), s.C); c < s.C; c++ {
				out[c] = k.act.Apply(*w.from(c, 1))
			}
		}
		return
	}
	a := asm.DepthwiseArgs{
		Zero: &d.zero[0], Rows: &f.under[y/s.SH*f.th], Cols: &f.beside[0], KH: f.th, KW: f.tw, Ys: 1, OW: f.cols, Width: s.W, Pixel: s.SW * pixel,
		Act: int(k.act.Kind), Lo: k.act.Lo, Hi: k.act.Hi, Alpha: k.act.Alpha,
	}
	src := add(k.src, picture*s.H*s.W*pixel)
	for c := 0; c < s.C; c += k.lanes {
		c := min(c, s.C-k.lanes)
		a.Src, a.Dst, a.W = add(src, 4*c), add(dst, 4*c), w.from(c, k.lanes)
		depthwiseTile(k.isa, windowAny, &a, k.lanes)
	}
}
