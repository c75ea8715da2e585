//go:build race

package onnx_test

const poolsLeak = true
