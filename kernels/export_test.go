package kernels

// WithoutDotProducts makes products of 8-bit integers do without the instructions for them, and returns a function that undoes it. It must not be
// called while kernels run.
func WithoutDotProducts() (restore func()) {
	old := dotProducts
	clear(dotProducts[:])
	return func() { dotProducts = old }
}

// WithTraits makes the CPU one that has all of the traits by which CPUs of one instruction set differ (spreads, strides, roomy, evicts), or none; it returns a function that
// undoes it. It must not be called while kernels run.
func WithTraits(has bool) (restore func()) {
	a, b, c, d := spreads, strides, roomy, evicts
	spreads, strides, roomy, evicts = has, has, has, has
	return func() { spreads, strides, roomy, evicts = a, b, c, d }
}
