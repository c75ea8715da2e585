// Package pages asks the system for large pages. A CPU remembers where some hundreds of pages lie and looks up others in memory, in a virtual
// machine by way of two tables: pages of 2 MiB instead of 4 KiB save a network with its megabytes of weights and values most of that.
package pages

// size is that of a large page in bytes. Where they are larger, as with base pages of 16 or 64 KiB, they are too much for a small computer.
const size = 2 << 20

// worth is the number of bytes from which on memory is advised.
const worth = size / 8

// Large returns the size in bytes of the large pages that memory gets once Advise has had it, or 0 where it gets none.
func Large() int {
	if granted().any {
		return size
	}
	return 0
}

// Advise asks for large pages for b, and for what shares the first and the last of them with it, if b is long enough to gain by that. They come with the first
// write, so it is best called before that; memory that was written to gets them when the system finds the time. Nothing changes where it has none, refuses
// them, or gives them unasked.
func Advise(b []byte) {
	if len(b) >= worth && granted().asked {
		advise(b)
	}
}

// grant is what a system does about large pages of our size.
type grant struct {
	any   bool // memory can have them
	asked bool // to those who ask, and no others
}
