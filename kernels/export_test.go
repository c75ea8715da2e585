package kernels

// WithoutDotProducts makes products of 8-bit integers do without the instructions for them, and returns a function that undoes it. It must not be
// called while kernels run.
func WithoutDotProducts() (restore func()) {
	old := dotProducts
	clear(dotProducts[:])
	return func() { dotProducts = old }
}

// WithSpreads makes a CPU have units for shuffles beside those for multiply-adds, or not, and returns a function that undoes it. It must not be called while
// kernels run.
func WithSpreads(has bool) (restore func()) {
	old := spreads
	spreads = has
	return func() { spreads = old }
}
