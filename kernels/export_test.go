package kernels

// WithoutDotProducts makes products of 8-bit integers do without the instructions for them, and returns a function that undoes it. It must not be
// called while kernels run.
func WithoutDotProducts() (restore func()) {
	old := dotProducts
	clear(dotProducts[:])
	return func() { dotProducts = old }
}
