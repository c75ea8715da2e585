// Package tensor holds dense n-dimensional arrays: an element type, a shape, and storage in row-major order.
package tensor

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ocellus-vision/ocellus/internal/pages"
)

// Align is the alignment in bytes of storage that this package allocates: one cache line, one AVX-512 register.
const Align = 64

// MaxRank is the greatest number of dimensions of a Tensor.
const MaxRank = 16

// Tensor is a dense array in row-major order. The zero Tensor is not usable; make one with New, Of or Wrap.
type Tensor struct {
	dtype DType
	shape []int
	buf   []byte
	str   []string // storage when dtype is String
}

// Elem lists the Go types that hold elements. Float16 and BFloat16 are held as uint16, the 8-bit floats and Uint4 as uint8,
// Int4 as int8.
type Elem interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// Count returns the number of elements of a shape; ok is false where a dimension is negative,
// there are more than MaxRank of them or the product of those that are not 0 is too large.
func Count(shape []int) (n int, ok bool) {
	if len(shape) > MaxRank {
		return 0, false
	}
	n = 1
	zero := false
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > math.MaxInt/16/d {
			return 0, false
		}
		n *= d
	}
	if zero {
		return 0, true
	}
	return n, true
}

// Bytes allocates n zero bytes aligned to Align.
func Bytes(n int) []byte {
	if n == 0 {
		return nil
	}
	b := make([]byte, n+Align)
	pages.Advise(b)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (Align - 1))
	return b[off : off+n : off+n]
}

// New returns a tensor of zeros. It panics on a type or shape that cannot be.
func New(d DType, shape ...int) *Tensor {
	n, ok := Count(shape)
	if !ok || !d.Valid() {
		panic("tensor: New: bad type or shape")
	}
	t := &Tensor{dtype: d, shape: slices.Clone(shape)}
	if d == String {
		t.str = make([]string, n)
	} else {
		t.buf = Bytes(n * d.Size())
	}
	return t
}

// Of returns a tensor over data, which it does not copy; without a shape it is one-dimensional.
// The type is the one of the same name as E; see As for those that have no Go type.
func Of[E Elem](data []E, shape ...int) *Tensor {
	if len(shape) == 0 {
		shape = []int{len(data)}
	}
	if n, ok := Count(shape); !ok || n != len(data) {
		panic("tensor: Of: shape does not match the data")
	}
	return &Tensor{dtype: dtypeOf[E](), shape: slices.Clone(shape), buf: bytesOf(data)}
}

// Scalar returns a tensor without dimensions.
func Scalar[E Elem](v E) *Tensor {
	return &Tensor{dtype: dtypeOf[E](), shape: []int{}, buf: bytesOf([]E{v})}
}

// Strings returns a String tensor over data.
func Strings(data []string, shape ...int) *Tensor {
	if n, ok := Count(shape); !ok || n != len(data) {
		panic("tensor: Strings: shape does not match the data")
	}
	return &Tensor{dtype: String, shape: slices.Clone(shape), str: data}
}

// Wrap returns a tensor over little-endian bytes, which it does not copy unless they are not aligned for the type.
func Wrap(d DType, buf []byte, shape ...int) (*Tensor, error) {
	n, ok := Count(shape)
	if !ok {
		return nil, fmt.Errorf("tensor: impossible shape %v", shape)
	}
	if !d.Valid() || d == String {
		return nil, fmt.Errorf("tensor: %v has no byte form", d)
	}
	if n*d.Size() != len(buf) {
		return nil, fmt.Errorf("tensor: shape %v of %v takes %d bytes, there are %d", shape, d, n*d.Size(), len(buf))
	}
	if len(buf) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(buf)))%uintptr(d.Size()) != 0 {
		b := Bytes(len(buf))
		copy(b, buf)
		buf = b
	}
	return &Tensor{dtype: d, shape: slices.Clone(shape), buf: buf}, nil
}

// Bind points t at other storage of t's own size, without copying: how a plan places tensors in an arena.
func (t *Tensor) Bind(buf []byte) {
	if len(buf) != len(t.buf) && len(buf) != t.Len()*t.dtype.Size() {
		panic("tensor: Bind: wrong number of bytes")
	}
	t.buf = buf
}

// View returns a tensor without storage, for Bind.
func View(d DType, shape ...int) *Tensor {
	if _, ok := Count(shape); !ok || !d.Valid() {
		panic("tensor: View: bad type or shape")
	}
	return &Tensor{dtype: d, shape: slices.Clone(shape)}
}

// Share points t at the storage of u, which has as many bytes.
func (t *Tensor) Share(u *Tensor) { t.buf, t.str = u.buf, u.str }

// DType is the type of the elements.
func (t *Tensor) DType() DType { return t.dtype }

// Shape is the size of each dimension, outermost first. The caller must not change it.
func (t *Tensor) Shape() []int { return t.shape }

// Rank is the number of dimensions.
func (t *Tensor) Rank() int { return len(t.shape) }

// Dim is the size of dimension i; a negative i counts from the last.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.shape)
	}
	return t.shape[i]
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// Raw is the storage: the elements as little-endian bytes.
func (t *Tensor) Raw() []byte { return t.buf }

// Float32s returns the elements of a Float32 tensor; the slice is the storage itself.
func (t *Tensor) Float32s() []float32 { return Data[float32](t) }

// Int64s returns the elements of an Int64 tensor; the slice is the storage itself.
func (t *Tensor) Int64s() []int64 { return Data[int64](t) }

// Texts returns the elements of a String tensor.
func (t *Tensor) Texts() []string {
	if t.dtype != String {
		panic("tensor: Texts: the tensor holds no strings")
	}
	return t.str
}

// Data returns the elements as a slice of the Go type that holds them; the slice is the storage itself.
// It panics if E does not hold t's type.
func Data[E Elem](t *Tensor) []E {
	if !holds[E](t.dtype) {
		panic("tensor: Data: wrong element type for the tensor")
	}
	if len(t.buf) == 0 {
		return nil
	}
	var e E
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(t.buf))), len(t.buf)/int(unsafe.Sizeof(e)))
}

// Clone returns a copy with storage of its own.
func (t *Tensor) Clone() *Tensor {
	u := &Tensor{dtype: t.dtype, shape: slices.Clone(t.shape), str: slices.Clone(t.str)}
	u.buf = Bytes(len(t.buf))
	copy(u.buf, t.buf)
	return u
}

// Reshape returns a tensor of another shape over the same storage. It panics if the number of elements differs.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	if n, ok := Count(shape); !ok || n != t.Len() {
		panic("tensor: Reshape: other number of elements")
	}
	return &Tensor{dtype: t.dtype, shape: slices.Clone(shape), buf: t.buf, str: t.str}
}

// As returns the same storage seen as another type of the same width: how a []uint16 becomes Float16.
func (t *Tensor) As(d DType) *Tensor {
	if d.Size() != t.dtype.Size() || d == String || t.dtype == String {
		panic("tensor: As: other width")
	}
	return &Tensor{dtype: d, shape: t.shape, buf: t.buf}
}

// CopyFrom copies the elements of u, which has t's type and as many elements.
func (t *Tensor) CopyFrom(u *Tensor) {
	if t.dtype != u.dtype || len(t.buf) != len(u.buf) || len(t.str) != len(u.str) {
		panic("tensor: CopyFrom: other type or size")
	}
	copy(t.buf, u.buf)
	copy(t.str, u.str)
}

// String describes type and shape, not the elements: "float32[1 3 224 224]".
func (t *Tensor) String() string { return t.dtype.String() + FormatShape(t.shape) }

// FormatShape writes a shape as "[1 3 224 224]".
func FormatShape(shape []int) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range shape {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(d))
	}
	b.WriteByte(']')
	return b.String()
}

func bytesOf[E Elem](s []E) []byte {
	var e E
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(e)))
}

func dtypeOf[E Elem]() DType {
	var e E
	switch any(e).(type) {
	case float32:
		return Float32
	case float64:
		return Float64
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	}
	return Bool
}

func holds[E Elem](d DType) bool {
	g := dtypeOf[E]()
	switch d {
	case Float16, BFloat16:
		return g == Uint16
	case Float8E4M3, Float8E4M3UZ, Float8E5M2, Float8E5M2UZ, Uint4:
		return g == Uint8
	case Int4:
		return g == Int8
	}
	return g == d
}

// Bits returns the storage as words of the elements' width, whatever they mean: for code that only moves them.
func Bits[W uint8 | uint16 | uint32 | uint64](t *Tensor) []W {
	var w W
	if int(unsafe.Sizeof(w)) != t.dtype.Size() {
		panic("tensor: Bits: wrong width")
	}
	if len(t.buf) == 0 {
		return nil
	}
	return unsafe.Slice((*W)(unsafe.Pointer(unsafe.SliceData(t.buf))), len(t.buf)/int(unsafe.Sizeof(w)))
}

// Slice returns the first n elements that lie in b, which is aligned for E.
func Slice[E Elem](b []byte, n int) []E {
	var e E
	if n*int(unsafe.Sizeof(e)) > len(b) {
		panic("tensor: Slice: too few bytes")
	}
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
