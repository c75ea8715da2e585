package layer

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/ocellus-vision/ocellus/kernels/ref"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// real are the types that networks are trained in: float32, and float64 to check gradients with.
type real interface{ float32 | float64 }

// realType checks that the inputs are all float32 or all float64; left-out ones do not count.
func realType(in []Info) error {
	for i := range in {
		if err := isType(in, i, tensor.Float32, tensor.Float64); err != nil {
			return err
		}
	}
	return oneType(in)
}

// single reports whether T is float32; it is a constant in each instance of a generic function.
func single[T real]() bool {
	var t T
	return unsafe.Sizeof(t) == 4
}

// fma returns a·b + c: for float32 rounded once (ref.FMA32), for float64 twice.
func fma[T real](a, b, c T) T {
	if unsafe.Sizeof(c) == 4 { // written out, so that the compiler can inline fma
		return T(ref.FMA32(float32(a), float32(b), float32(c)))
	}
	return T(a*b) + c
}

// root returns √x, correctly rounded.
func root[T real](x T) T { return T(math.Sqrt(float64(x))) }

// scratch returns n elements of scratch memory, not cleared, valid until e's Reset.
func scratch[T tensor.Elem](e *Env, n int) []T {
	var v T
	return tensor.Slice[T](e.Bytes(n*int(unsafe.Sizeof(v))), n)
}

// join8 adds eight partial sums in the order of ref.Join8.
func join8[T real](l *[8]T) T {
	return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

// sum8 adds x in eight lanes, as ref.Sum8 does.
func sum8[T real](x []T) T {
	var l [8]T
	for i, v := range x {
		l[i&7] += v
	}
	return join8(&l)
}

// oneType checks that the inputs that are there have one type.
func oneType(in []Info) error {
	for i, x := range in {
		if x.Present() && x.DType != in[0].DType {
			return fmt.Errorf("input %d is %v, input 0 is %v", i, x.DType, in[0].DType)
		}
	}
	return nil
}
