package tensor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Floats returns the elements of a numeric tensor as float32, each rounded to nearest even.
// For Float32 it is the storage itself.
func (t *Tensor) Floats() []float32 {
	switch t.dtype {
	case Float32:
		return t.Float32s()
	}
	u := New(Float32, t.shape...)
	if err := Convert(u, t, false); err != nil {
		panic("tensor: Floats: the tensor holds no numbers")
	}
	return u.Float32s()
}

// Ints returns the elements of an integer or Bool tensor as ints; ok is false for other types.
func (t *Tensor) Ints() (v []int, ok bool) {
	if !t.dtype.IsInt() && t.dtype != Bool {
		return nil, false
	}
	u := New(Int64, t.shape...)
	if Convert(u, t, false) != nil {
		return nil, false
	}
	v = make([]int, u.Len())
	for i, x := range u.Int64s() {
		if int64(int(x)) != x {
			return nil, false
		}
		v[i] = int(x)
	}
	return v, true
}

// Convert writes the elements of src to dst, which has as many, in dst's type.
//
// Floats are rounded to nearest even, floats to integers towards zero, integers wrap; a number becomes true unless it is 0.
// saturate applies to the 8-bit floats. Text is parsed and written in the shortest decimal form that reads back.
func Convert(dst, src *Tensor, saturate bool) error {
	if dst.Len() != src.Len() {
		panic("tensor: Convert: other number of elements")
	}
	if dst.dtype == src.dtype {
		dst.CopyFrom(src)
		return nil
	}
	if src.dtype == String {
		return parse(dst, src)
	}
	if dst.dtype == String {
		return print(dst, src)
	}
	switch {
	case dst.dtype == Float32 && src.dtype.IsFloat() && src.dtype != Float64:
		widen(dst.Float32s(), src)
		return nil
	case src.dtype == Float32 && dst.dtype.IsFloat() && dst.dtype != Float64:
		narrow(dst, src.Float32s(), saturate)
		return nil
	}
	switch src.dtype {
	case Float32:
		floatTo(dst, Data[float32](src), saturate)
	case Float64:
		floatTo(dst, Data[float64](src), saturate)
	case Float16, BFloat16, Float8E4M3, Float8E4M3UZ, Float8E5M2, Float8E5M2UZ:
		f := make([]float32, src.Len())
		widen(f, src)
		floatTo(dst, f, saturate)
	case Int8, Int4:
		intTo(dst, Data[int8](src), saturate)
	case Int16:
		intTo(dst, Data[int16](src), saturate)
	case Int32:
		intTo(dst, Data[int32](src), saturate)
	case Int64:
		intTo(dst, Data[int64](src), saturate)
	case Uint8, Uint4:
		intTo(dst, Data[uint8](src), saturate)
	case Uint16:
		intTo(dst, Data[uint16](src), saturate)
	case Uint32:
		intTo(dst, Data[uint32](src), saturate)
	case Uint64:
		intTo(dst, Data[uint64](src), saturate)
	case Bool:
		intTo(dst, Bits[uint8](src), saturate)
	}
	return nil
}

// widen writes the elements of a 16- or 8-bit float tensor as float32.
func widen(dst []float32, src *Tensor) {
	switch src.dtype {
	case Float16:
		halfToFloats(dst, Data[uint16](src))
	case BFloat16:
		for i, v := range Data[uint16](src) {
			dst[i] = BFloatToFloat(v)
		}
	default:
		var table [256]float32
		for c := range table {
			table[c] = Float8ToFloat(src.dtype, uint8(c))
		}
		for i, v := range Data[uint8](src) {
			dst[i] = table[v]
		}
	}
}

// narrow writes float32 as a 16- or 8-bit float tensor.
func narrow(dst *Tensor, src []float32, saturate bool) {
	switch dst.dtype {
	case Float16:
		floatsToHalf(Data[uint16](dst), src)
	case BFloat16:
		d := Data[uint16](dst)
		for i, v := range src {
			d[i] = FloatToBFloat(v)
		}
	default:
		d := Data[uint8](dst)
		for i, v := range src {
			d[i] = FloatToFloat8(dst.dtype, v, saturate)
		}
	}
}

func floatTo[F float32 | float64](dst *Tensor, src []F, saturate bool) {
	switch dst.dtype {
	case Float32:
		d := Data[float32](dst)
		for i, v := range src {
			d[i] = float32(v)
		}
	case Float64:
		d := Data[float64](dst)
		for i, v := range src {
			d[i] = float64(v)
		}
	case Float16, BFloat16, Float8E4M3, Float8E4M3UZ, Float8E5M2, Float8E5M2UZ:
		f := make([]float32, len(src))
		for i, v := range src {
			f[i] = float32(v)
		}
		narrow(dst, f, saturate)
	case Bool:
		d := Data[bool](dst)
		for i, v := range src {
			d[i] = v != 0
		}
	case Int8:
		truncate(Data[int8](dst), src)
	case Int16:
		truncate(Data[int16](dst), src)
	case Int32:
		truncate(Data[int32](dst), src)
	case Int64:
		truncate(Data[int64](dst), src)
	case Uint8:
		truncate(Data[uint8](dst), src)
	case Uint16:
		truncate(Data[uint16](dst), src)
	case Uint32:
		truncate(Data[uint32](dst), src)
	case Uint64:
		d := Data[uint64](dst)
		for i, v := range src {
			if v >= 0x1p63 && v < 0x1p64 {
				d[i] = uint64(int64(float64(v)-0x1p63)) + 1<<63
			} else {
				d[i] = uint64(Trunc(float64(v)))
			}
		}
	case Int4:
		// ONNX rounds and saturates where a float becomes a 4-bit integer.
		d := Data[int8](dst)
		for i, v := range src {
			d[i] = int8(min(max(Trunc(math.RoundToEven(float64(v))), -8), 7))
		}
	case Uint4:
		d := Data[uint8](dst)
		for i, v := range src {
			d[i] = uint8(min(max(Trunc(math.RoundToEven(float64(v))), 0), 15))
		}
	}
}

func truncate[D int8 | int16 | int32 | int64 | uint8 | uint16 | uint32, F float32 | float64](dst []D, src []F) {
	for i, v := range src {
		if v > -0x1p31 && v < 0x1p31 {
			dst[i] = D(int32(v))
		} else {
			dst[i] = D(Trunc(float64(v)))
		}
	}
}

// Trunc returns v without its fraction as int64; the nearest bound where it does not fit, 0 for NaN.
func Trunc(v float64) int64 {
	switch {
	case v != v:
		return 0
	case v >= 0x1p63:
		return math.MaxInt64
	case v < -0x1p63:
		return math.MinInt64
	}
	return int64(v)
}

func intTo[I int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](dst *Tensor, src []I, saturate bool) {
	switch dst.dtype {
	case Float32:
		d := Data[float32](dst)
		for i, v := range src {
			d[i] = float32(v)
		}
	case Float64:
		d := Data[float64](dst)
		for i, v := range src {
			d[i] = float64(v)
		}
	case Float16, BFloat16, Float8E4M3, Float8E4M3UZ, Float8E5M2, Float8E5M2UZ:
		f := make([]float32, len(src))
		for i, v := range src {
			f[i] = float32(v)
		}
		narrow(dst, f, saturate)
	case Bool:
		d := Data[bool](dst)
		for i, v := range src {
			d[i] = v != 0
		}
	case Int8:
		wrap(Data[int8](dst), src)
	case Int16:
		wrap(Data[int16](dst), src)
	case Int32:
		wrap(Data[int32](dst), src)
	case Int64:
		wrap(Data[int64](dst), src)
	case Uint8:
		wrap(Data[uint8](dst), src)
	case Uint16:
		wrap(Data[uint16](dst), src)
	case Uint32:
		wrap(Data[uint32](dst), src)
	case Uint64:
		wrap(Data[uint64](dst), src)
	case Int4:
		d := Data[int8](dst)
		for i, v := range src {
			d[i] = int8(min(max(int64(v), -8), 7))
		}
	case Uint4:
		d := Data[uint8](dst)
		for i, v := range src {
			d[i] = uint8(min(max(int64(v), 0), 15))
		}
	}
}

func wrap[D, S int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64](dst []D, src []S) {
	for i, v := range src {
		dst[i] = D(v)
	}
}

func parse(dst, src *Tensor) error {
	f := make([]float64, src.Len())
	for i, s := range src.str {
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return fmt.Errorf("tensor: %q is not a number", s)
		}
		f[i] = v
	}
	floatTo(dst, f, true)
	return nil
}

func print(dst, src *Tensor) error {
	switch {
	case src.dtype == Float64:
		for i, v := range Data[float64](src) {
			dst.str[i] = formatFloat(v, 64)
		}
	case src.dtype.IsFloat():
		for i, v := range src.Floats() {
			dst.str[i] = formatFloat(float64(v), 32)
		}
	case src.dtype == Uint64:
		for i, v := range Data[uint64](src) {
			dst.str[i] = strconv.FormatUint(v, 10)
		}
	default:
		u := New(Int64, src.shape...)
		if err := Convert(u, src, false); err != nil {
			return err
		}
		for i, v := range u.Int64s() {
			dst.str[i] = strconv.FormatInt(v, 10)
		}
	}
	return nil
}

func formatFloat(v float64, bits int) string {
	switch {
	case v != v:
		return "NaN"
	case math.IsInf(v, 1):
		return "INF"
	case math.IsInf(v, -1):
		return "-INF"
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}
