package tensor

import "fmt"

// DType is the type of a tensor's elements. The numbers are those of ONNX's TensorProto.DataType.
type DType uint8

const (
	Invalid      DType = 0
	Float32      DType = 1
	Uint8        DType = 2
	Int8         DType = 3
	Uint16       DType = 4
	Int16        DType = 5
	Int32        DType = 6
	Int64        DType = 7
	String       DType = 8
	Bool         DType = 9
	Float16      DType = 10
	Float64      DType = 11
	Uint32       DType = 12
	Uint64       DType = 13
	BFloat16     DType = 16
	Float8E4M3   DType = 17 // 4 exponent bits, 3 of mantissa, no infinity ("FN")
	Float8E4M3UZ DType = 18 // the same with one NaN and no negative zero ("FNUZ")
	Float8E5M2   DType = 19
	Float8E5M2UZ DType = 20
	Uint4        DType = 21 // stored one element per byte
	Int4         DType = 22 // stored one element per byte, sign-extended
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0}, Float32: {"float32", 4}, Uint8: {"uint8", 1}, Int8: {"int8", 1}, Uint16: {"uint16", 2},
	Int16: {"int16", 2}, Int32: {"int32", 4}, Int64: {"int64", 8}, String: {"string", 0}, Bool: {"bool", 1},
	Float16: {"float16", 2}, Float64: {"float64", 8}, Uint32: {"uint32", 4}, Uint64: {"uint64", 8},
	BFloat16: {"bfloat16", 2}, Float8E4M3: {"float8e4m3fn", 1}, Float8E4M3UZ: {"float8e4m3fnuz", 1},
	Float8E5M2: {"float8e5m2", 1}, Float8E5M2UZ: {"float8e5m2fnuz", 1}, Uint4: {"uint4", 1}, Int4: {"int4", 1},
}

// Valid reports whether d names a type that a Tensor can hold.
func (d DType) Valid() bool { return d != Invalid && int(d) < len(dtypes) && dtypes[d].name != "" }

// Size is the number of bytes that one element takes in memory; 0 for String.
func (d DType) Size() int {
	if !d.Valid() {
		return 0
	}
	return dtypes[d].size
}

func (d DType) String() string {
	if d != Invalid && !d.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// ParseDType returns the type that String names.
func ParseDType(name string) (DType, bool) {
	for i, t := range dtypes {
		if t.name == name && DType(i).Valid() {
			return DType(i), true
		}
	}
	return Invalid, false
}

// IsFloat reports whether d is a floating-point type of any width.
func (d DType) IsFloat() bool {
	switch d {
	case Float32, Float64, Float16, BFloat16, Float8E4M3, Float8E4M3UZ, Float8E5M2, Float8E5M2UZ:
		return true
	}
	return false
}

// IsInt reports whether d is an integer type of any width.
func (d DType) IsInt() bool {
	switch d {
	case Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Int4, Uint4:
		return true
	}
	return false
}
