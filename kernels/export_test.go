package kernels

// WithoutDotProducts makes products of 8-bit integers do without the instructions for them, and returns a function that undoes it. It must not be
// called while kernels run.
func WithoutDotProducts() (restore func()) {
	old := dotProducts
	clear(dotProducts[:])
	return func() { dotProducts = old }
}

// WithTraits makes the CPU one that has units for shuffles beside those for multiply-adds, or not, and one whose first-level cache loses rows a large power of two
// apart, or not; it returns a function that undoes it. It must not be called while kernels run.
func WithTraits(hasSpreads, doesEvict bool) (restore func()) {
	s, e := spreads, evicts
	spreads, evicts = hasSpreads, doesEvict
	return func() { spreads, evicts = s, e }
}
