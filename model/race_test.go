//go:build race

package model_test

const poolsLeak = true
