package model

// WithStripes makes networks that are compiled from now on go in stripes where values of so many bytes pass between layers, and keep at most so many bytes of them;
// it returns what takes that back.
func WithStripes(value, kept, rows int) (undo func()) {
	was := stripeSize
	stripeSize = stripeSizes{value, kept, 1 << 30, rows, 1 << 30}
	return func() { stripeSize = was }
}
