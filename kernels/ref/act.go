package ref

// ActKind names the activation that a convolution or GEMM applies as it stores.
type ActKind int

const (
	ActNone  ActKind = iota
	ActClip          // Min(Hi, Max(Lo, y)) by compare-and-select; ReLU is Lo 0, Hi +Inf; ReLU6 is Lo 0, Hi 6
	ActLeaky         // y > 0 ? y : Alpha·y
)

// Act is an activation fused into a store.
type Act struct {
	Kind          ActKind
	Lo, Hi, Alpha float32
}

// Apply returns the activation of y. A NaN stays a NaN.
func (a Act) Apply(y float32) float32 {
	switch a.Kind {
	case ActClip:
		return Min(a.Hi, Max(a.Lo, y))
	case ActLeaky:
		if y > 0 {
			return y
		}
		return a.Alpha * y
	}
	return y
}
