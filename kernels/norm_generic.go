//go:build purego || !(amd64 || arm64)

package kernels

func lanesSum(l *eight, x []float32)                   { plainLanesSum(l, x) }
func lanesDot(l *eight, x, y []float32)                { plainLanesDot(l, x, y) }
func lanesSquareDiff(l *eight, x []float32, m float32) { plainLanesSquareDiff(l, x, m) }
func lanesMax(s *[16]float32, x []float32)             { plainLanesMax(s, x) }
func lanesArgMax(s *[32]float32, x []float32)          { plainLanesArgMax(s, x) }
