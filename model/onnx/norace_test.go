//go:build !race

package onnx_test

// poolsLeak says that sync.Pool drops some of what it is given, as it does under the race detector.
const poolsLeak = false
