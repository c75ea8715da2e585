//go:build !race

package layer

// poolsLeak says that sync.Pool drops some of what it is given, as it does under the race detector.
const poolsLeak = false
