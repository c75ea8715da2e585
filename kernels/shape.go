package kernels

import "math"

// mostSize is the most that a size or a padding may be: an int holds the sum of three.
const mostSize = math.MaxInt / 4

// atMost says whether the product of sizes, with 1 for 0, is at most n.
func atMost(n int, sizes ...int) bool {
	for _, s := range sizes {
		n /= max(1, s)
	}
	return n > 0
}

// addressable says whether a tensor of such sizes has a number of bytes that an int holds.
func addressable(sizes ...int) bool { return atMost(math.MaxInt/8, sizes...) }

// holds says whether n elements hold rows of w that begin ld apart, w at most ld.
func holds(n, rows, ld, w int) bool {
	return rows == 0 || w <= n && (ld == 0 || rows-1 <= (n-w)/ld)
}

// checkConv panics unless a convolution may have such a shape.
func checkConv(name string, s *Conv2D) {
	if s.N < 0 || s.H < 1 || s.W < 1 || s.C < 1 || s.O < 1 || s.KH < 1 || s.KW < 1 || s.SH < 1 || s.SW < 1 || s.DH < 1 || s.DW < 1 ||
		s.PT < 0 || s.PL < 0 || s.PB < 0 || s.PR < 0 {
		panic("kernels: " + name + ": bad shape")
	}
	if s.Groups < 1 || s.C%s.Groups != 0 || s.O%s.Groups != 0 {
		panic("kernels: " + name + ": groups do not divide the channels")
	}
	checkSizes(name, s)
	tables := atMost(math.MaxInt32, s.H, s.W+s.PL+s.PR, s.C) // hold a picture's offsets
	if !tables || !addressable(s.N, s.OH(), s.OW(), s.O) || !addressable(s.O, s.KH, s.KW, s.C/s.Groups) {
		panic("kernels: " + name + ": shape too large")
	}
}

// checkWindow panics unless the window, its steps and the padding make sense and the window fits into the padded picture.
func checkWindow(name string, s *Conv2D) {
	switch {
	case s.N < 0 || s.H < 1 || s.W < 1 || s.C < 1:
		panic("kernels: " + name + ": bad input shape")
	case s.KH < 1 || s.KW < 1 || s.SH < 1 || s.SW < 1 || s.DH < 1 || s.DW < 1:
		panic("kernels: " + name + ": window, stride and dilation must be positive")
	case s.PT < 0 || s.PL < 0 || s.PB < 0 || s.PR < 0:
		panic("kernels: " + name + ": negative padding")
	}
	checkSizes(name, s)
	if !addressable(s.N, s.OH(), s.OW(), s.C) {
		panic("kernels: " + name + ": shape too large")
	}
}

// checkPositions panics unless weights of each output position can be addressed.
func checkPositions(name string, s *Conv2D) {
	if !addressable(s.OH(), s.OW(), s.O, s.KH, s.KW, s.C) {
		panic("kernels: " + name + ": shape too large")
	}
}

// checkVolume panics unless volumes of so many planes can be addressed.
func checkVolume(name string, n, c, d, h, w, od, oh, ow int) {
	if !addressable(n, d, h, w, c) || !addressable(n, od, oh, ow, c) {
		panic("kernels: " + name + ": shape too large")
	}
}

// checkSizes panics unless a window lies in the padded input, and numbers are such that an int counts all there is.
func checkSizes(name string, s *Conv2D) {
	if max(s.H, s.W, s.PT, s.PL, s.PB, s.PR) > mostSize || !addressable(s.N, s.H, s.W, s.C) {
		panic("kernels: " + name + ": shape too large")
	}
	if !within(s.H+s.PT+s.PB-1, s.KH, s.DH) || !within(s.W+s.PL+s.PR-1, s.KW, s.DW) {
		panic("kernels: " + name + ": window larger than the padded input")
	}
}

// within says whether the last of n, apart from one another, lies at most so far from the first.
func within(most, n, apart int) bool { return n <= 1 || apart <= most/(n-1) }

// checkAct panics unless there is such an activation.
func checkAct(name string, act Act) {
	if act.Kind < ActNone || act.Kind > ActLeaky {
		panic("kernels: " + name + ": unknown activation")
	}
}
