//go:build race

package kernels_test

const poolsLeak = true
