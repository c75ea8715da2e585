package onnx

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// heads are sizes of an attention: queries [batch,heads,s,d], keys [batch,kv,t,d], values [batch,kv,t,e].
type heads struct{ batch, heads, kv, s, t, d, e int }

// attend computes an attention in float64, with the tolerance of one in float32. bias is -Inf where a key is hidden.
func (h heads) attend(q, k, v []float32, scale, softcap float64, bias func(b, head, i, j int) float64) (y, weights []float64, tolerance float64) {
	var most, largest float64
	for b := range h.batch {
		for n := range h.heads {
			kv := b*h.kv + n*h.kv/h.heads
			for i := range h.s {
				w, sum := make([]float64, h.t), 0.
				for j := range w {
					for c := range h.d {
						w[j] += float64(q[((b*h.heads+n)*h.s+i)*h.d+c]) * float64(k[(kv*h.t+j)*h.d+c]) * scale
					}
					most = max(most, math.Abs(w[j]))
					if softcap != 0 {
						w[j] = softcap * math.Tanh(w[j]/softcap)
					}
					w[j] = math.Exp(w[j] + bias(b, n, i, j))
					sum += w[j]
				}
				row := make([]float64, h.e)
				for j := range w {
					if sum > 0 {
						w[j] /= sum
					}
					for c := range row {
						row[c] += w[j] * float64(v[(kv*h.t+j)*h.e+c])
						largest = max(largest, math.Abs(float64(v[(kv*h.t+j)*h.e+c])))
					}
				}
				y, weights = append(y, row...), append(weights, w...)
			}
		}
	}
	// Sums of d, t and t products; a weight has the error of a score as its relative one.
	return y, weights, 0x1p-24 * (float64(h.d+4)*most + float64(2*h.t+8)) * max(1, largest)
}

// rows puts [batch,heads,s,d] in the order of [batch,s,heads·d].
func rows[T any](x []T, batch, heads, s, d int) []T {
	out := make([]T, 0, len(x))
	for b := range batch {
		for i := range s {
			for n := range heads {
				at := ((b*heads+n)*s + i) * d
				out = append(out, x[at:at+d]...)
			}
		}
	}
	return out
}

// numbers are n numbers from -1 to 1.
func numbers(seed, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i+seed)*(i+3*seed+5)%41-20) / 20
	}
	return x
}

func near(t *testing.T, name string, got *tensor.Tensor, want []float64, tolerance float64) {
	t.Helper()
	x := got.Float32s()
	if len(x) != len(want) {
		t.Fatalf("%s: %v, %d elements are wanted", name, got, len(want))
	}
	for i, w := range want {
		if !(math.Abs(float64(x[i])-w) <= tolerance) {
			t.Fatalf("%s: element %d is %g, want %g within %g", name, i, x[i], w, tolerance)
		}
	}
}

func hideUnless(seen bool) float64 {
	if seen {
		return 0
	}
	return math.Inf(-1)
}

// attentionFile has the inputs as constants, but the first, which comes as x; ranks and types of those named in hidden are known only at Compile.
func attentionFile(op, domain string, version int64, x *tensor.Tensor, constants map[string]*tensor.Tensor, in, out, hidden []string, attrs ...[]byte) file {
	f := file{inputs: [][]byte{floatInput("x", x.Shape()...)}, opset: version}
	for name, c := range constants {
		f.constants = append(f.constants, tensorProto(name, c))
	}
	in = slices.Clone(in)
	for _, name := range hidden {
		f.nodes = append(f.nodes, nodeMessage("Identity", "", "hide "+name, list(name), list(name+" hidden")))
		in[slices.Index(in, name)] = name + " hidden"
	}
	f.nodes = append(f.nodes, nodeMessage(op, domain, "bad", in, out, attrs...))
	for _, name := range out {
		if name != "" {
			f.outputs = append(f.outputs, output(name))
		}
	}
	return f
}

func TestAttention(t *testing.T) {
	type tensors = map[string]*tensor.Tensor
	t.Run("rows, grouped, capped, biased", func(t *testing.T) {
		h := heads{batch: 2, heads: 4, kv: 2, s: 3, t: 5, d: 4, e: 3}
		q, k, v, m := numbers(1, 2*4*3*4), numbers(2, 2*2*5*4), numbers(3, 2*2*5*3), numbers(4, 3*5)
		want, _, tolerance := h.attend(q, k, v, 0.75, 1.5, func(_, _, i, j int) float64 { return float64(m[i*5+j]) })
		x := tensor.Of(rows(q, 2, 4, 3, 4), 2, 3, 16)
		c := tensors{"k": tensor.Of(rows(k, 2, 2, 5, 4), 2, 5, 8), "v": tensor.Of(rows(v, 2, 2, 5, 3), 2, 5, 6), "m": tensor.Of(m, 3, 5)}
		for _, hidden := range [][]string{nil, {"x", "k", "v", "m"}} {
			f := attentionFile("Attention", "", 23, x, c, list("x", "k", "v", "m"), list("y"), hidden,
				attrInt("q_num_heads", 4), attrInt("kv_num_heads", 2), attrFloat("scale", 0.75), attrFloat("softcap", 1.5))
			near(t, "y", answer(t, f.bytes(), model.Tensors{"x": x})["y"], rows(want, 2, 4, 3, 3), tolerance)
		}
	})
	t.Run("heads apart, causal after what has passed", func(t *testing.T) {
		h := heads{batch: 1, heads: 2, kv: 1, s: 3, t: 5, d: 4, e: 2}
		q, k, v := numbers(1, 2*3*4), numbers(2, 5*4), numbers(3, 5*2)
		want, weights, tolerance := h.attend(q, k, v, 0.5, 0, func(_, _, i, j int) float64 { return hideUnless(j <= i+2) })
		x := tensor.Of(q, 1, 2, 3, 4)
		c := tensors{"k": tensor.Of(k[8:], 1, 1, 3, 4), "v": tensor.Of(v[4:], 1, 1, 3, 2), "pk": tensor.Of(k[:8], 1, 1, 2, 4), "pv": tensor.Of(v[:4], 1, 1, 2, 2)}
		for _, hidden := range [][]string{nil, {"x", "k", "pk"}} {
			f := attentionFile("Attention", "", 24, x, c, list("x", "k", "v", "", "pk", "pv"), list("y", "keys", "values", "weights"), hidden, attrInt("is_causal", 1), attrInt("qk_matmul_output_mode", 3))
			out := answer(t, f.bytes(), model.Tensors{"x": x})
			near(t, "y", out["y"], want, tolerance)
			near(t, "weights", out["weights"], weights, tolerance)
			if !slices.Equal(out["keys"].Float32s(), k) || !slices.Equal(out["values"].Float32s(), v) {
				t.Errorf("keys %v, values %v", out["keys"].Float32s(), out["values"].Float32s())
			}
		}
	})
	t.Run("a query that sees nothing", func(t *testing.T) {
		h := heads{batch: 1, heads: 2, kv: 2, s: 2, t: 2, d: 2, e: 2}
		q, k, v, m := numbers(1, 8), numbers(2, 8), numbers(3, 8), []bool{true, false, false, false}
		want, _, tolerance := h.attend(q, k, v, 1/math.Sqrt2, 0, func(_, _, i, j int) float64 { return hideUnless(m[2*i+j]) })
		x := tensor.Of(q, 1, 2, 2, 2)
		c := tensors{"k": tensor.Of(k, 1, 2, 2, 2), "v": tensor.Of(v, 1, 2, 2, 2), "m": tensor.Of(m, 2, 2)}
		for _, hidden := range [][]string{nil, {"m"}, {"x", "k", "v", "m"}} {
			// The number of heads may stand beside four dimensions.
			f := attentionFile("Attention", "", 23, x, c, list("x", "k", "v", "m"), list("y"), hidden, attrInt("q_num_heads", 2), attrInt("kv_num_heads", 2))
			near(t, "y", answer(t, f.bytes(), model.Tensors{"x": x})["y"], want, tolerance)
		}
	})
	t.Run("as many keys as count", func(t *testing.T) {
		h := heads{batch: 2, heads: 1, kv: 1, s: 2, t: 4, d: 1, e: 1}
		q, k, v := numbers(1, 4), numbers(2, 8), numbers(3, 8)
		counts := []int64{3, 4}
		x := tensor.Of(q, 2, 1, 2, 1)
		c := tensors{"k": tensor.Of(k, 2, 1, 4, 1), "v": tensor.Of(v, 2, 1, 4, 1), "n": tensor.Of(counts)}
		for causal := range 2 {
			// The last query stands at the last key that counts.
			want, _, tolerance := h.attend(q, k, v, 1, 0, func(b, _, i, j int) float64 {
				return hideUnless(j < int(counts[b]) && (causal == 0 || j <= i+int(counts[b])-2))
			})
			f := attentionFile("Attention", "", 24, x, c, list("x", "k", "v", "", "", "", "n"), list("y"), nil, attrInt("is_causal", causal))
			near(t, "y", answer(t, f.bytes(), model.Tensors{"x": x})["y"], want, tolerance)
		}
	})
	t.Run("MultiHeadAttention", func(t *testing.T) {
		h := heads{batch: 2, heads: 2, kv: 2, s: 3, t: 3, d: 2, e: 1}
		q, k, v, b := numbers(1, 24), numbers(2, 24), numbers(3, 12), numbers(4, 10)
		bias := func(x []float32, from, heads, d int) []float32 { // of [batch,heads,s,d]
			y := slices.Clone(x)
			for i := range y {
				y[i] += b[from+i/(3*d)%heads*d+i%d]
			}
			return y
		}
		x := tensor.Of(rows(q, 2, 2, 3, 2), 2, 3, 4)
		c := tensors{"k": tensor.Of(rows(k, 2, 2, 3, 2), 2, 3, 4), "v": tensor.Of(rows(v, 2, 2, 3, 1), 2, 3, 2), "b": tensor.Of(b),
			"counts": tensor.Of([]int32{2, 3}), "set": tensor.Of([]int32{1, 1, 0, 1, 1, 1}, 2, 3), "each": tensor.Of(slices.Repeat([]int32{1, 1, 0, 1, 1, 1}, 3)[:18], 2, 3, 3)}
		for _, mask := range []string{"", "counts", "set"} {
			want, _, tolerance := h.attend(bias(q, 0, 2, 2), bias(k, 4, 2, 2), bias(v, 8, 2, 1), 1/math.Sqrt2, 0, func(b, _, i, j int) float64 {
				return hideUnless(j <= i && (mask == "" || b == 1 || j < 2))
			})
			for _, hidden := range [][]string{nil, {"x", "k", mask}} {
				if mask == "" && hidden != nil {
					continue
				}
				f := attentionFile("MultiHeadAttention", "com.microsoft", 17, x, c, list("x", "k", "v", "b", mask), list("y"), hidden, attrInt("num_heads", 2), attrInt("unidirectional", 1))
				near(t, "y, "+mask, answer(t, f.bytes(), model.Tensors{"x": x})["y"], rows(want, 2, 2, 3, 1), tolerance)
			}
		}
		f := attentionFile("MultiHeadAttention", "com.microsoft", 17, x, c, list("x", "k", "v", "", "each"), list("y"), nil, attrInt("num_heads", 2), attrFloat("mask_filter_value", -3), attrFloat("scale", 2))
		want, _, tolerance := h.attend(q, k, v, 2, 0, func(b, _, i, j int) float64 {
			if at := b*9 + i*3 + j; at%6 == 2 {
				return -3
			}
			return 0
		})
		near(t, "y, each", answer(t, f.bytes(), model.Tensors{"x": x})["y"], rows(want, 2, 2, 3, 1), tolerance)
	})
	t.Run("short mask", func(t *testing.T) {
		// All scores are equal: what counts is which keys are seen, the first of three, or the first two.
		x := tensor.New(tensor.Float32, 1, 1, 2, 2)
		c := tensors{"k": tensor.New(tensor.Float32, 1, 1, 3, 2), "v": tensor.Of([]float32{1, 2, 30, 40, 500, 600}, 1, 1, 3, 2), "whole": tensor.Of([]bool{true, true, false}, 1, 3),
			"one": tensor.Of([]bool{true}, 1, 1), "two": tensor.Of([]float32{0, 0, 0, float32(math.Inf(-1))}, 2, 2)}
		for mask, want := range map[string][]float64{"one": {1, 2, 1, 2}, "two": {15.5, 21, 1, 2}, "whole": {15.5, 21, 15.5, 21}} {
			for _, hidden := range [][]string{nil, {mask}} {
				f := attentionFile("Attention", "", 24, x, c, list("x", "k", "v", mask), list("y"), hidden)
				near(t, mask, answer(t, f.bytes(), model.Tensors{"x": x})["y"], want, 1e-5)
			}
		}
	})
	t.Run("packed", func(t *testing.T) {
		// The weights hand x on as query, key and value; the bias is added to the value.
		h := heads{batch: 1, heads: 2, kv: 2, s: 2, t: 3, d: 1, e: 1}
		x, w := tensor.Of(numbers(1, 4), 1, 2, 2), tensor.Of([]float32{1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1}, 2, 6)
		past := numbers(2, 4) // [2,1,2,1,1]
		q := rows(x.Float32s(), 1, 2, 2, 1)
		k := []float32{past[0], q[0], q[1], past[1], q[2], q[3]}
		v := []float32{past[2], q[0] + 1, q[1] + 1, past[3], q[2] + 2, q[3] + 2}
		want, _, tolerance := h.attend(q, k, v, 1, 0, func(_, _, i, j int) float64 { return hideUnless(j <= i+1) })
		f := attentionFile("Attention", "com.microsoft", 17, x, tensors{"w": w, "b": tensor.Of([]float32{0, 0, 0, 0, 1, 2}), "past": tensor.Of(past, 2, 1, 2, 1, 1)},
			list("x", "w", "b", "", "past"), list("y", "present"), nil, attrInt("num_heads", 2), attrInt("unidirectional", 1), attrInts("qkv_hidden_sizes", []int{2, 2, 2}))
		out := answer(t, f.bytes(), model.Tensors{"x": x})
		near(t, "y", out["y"], rows(want, 1, 2, 2, 1), tolerance)
		if got, want := out["present"].Float32s(), slices.Concat(k, v); !slices.Equal(got, want) {
			t.Errorf("present %v, want %v", got, want)
		}
	})
}

func TestRotaryEmbedding(t *testing.T) {
	// Row 0 of the tables turns nothing, row 1 by a quarter.
	c := map[string]*tensor.Tensor{"cos": tensor.Of([]float32{1, 1, 0, 0}, 2, 2), "sin": tensor.Of([]float32{0, 0, 1, 1}, 2, 2), "cos3": tensor.Of([]float32{1, 1, 0, 0}, 1, 2, 2),
		"sin3": tensor.Of([]float32{0, 0, 1, 1}, 1, 2, 2), "p": tensor.Of([]int64{0, 1}, 1, 2), "first": tensor.Of([]int64{0})}
	eight := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	for _, r := range []struct {
		name, domain string
		shape        []int
		in           []string
		attrs        [][]byte
		want         []float32
	}{
		{"rows", "", []int{1, 2, 4}, list("x", "cos", "sin", "p"), [][]byte{attrInt("num_heads", 1)}, []float32{1, 2, 3, 4, -7, -8, 5, 6}},
		{"rows without places", "", []int{1, 2, 4}, list("x", "cos3", "sin3"), [][]byte{attrInt("num_heads", 1)}, []float32{1, 2, 3, 4, -7, -8, 5, 6}},
		{"heads apart", "", []int{1, 1, 2, 4}, list("x", "cos", "sin", "p"), nil, []float32{1, 2, 3, 4, -7, -8, 5, 6}},
		{"interleaved", "", []int{1, 1, 2, 4}, list("x", "cos", "sin", "p"), [][]byte{attrInt("interleaved", 1)}, []float32{1, 2, 3, 4, -6, 5, -8, 7}},
		{"in part", "", []int{1, 2, 5}, list("x", "cos3", "sin3"), [][]byte{attrInt("num_heads", 1), attrInt("rotary_embedding_dim", 4)}, []float32{1, 2, 3, 4, 5, -8, -9, 6, 7, 10}},
		{"runtime's, two heads", "com.microsoft", []int{1, 2, 8}, list("x", "p", "cos", "sin"), nil, []float32{1, 2, 3, 4, 5, 6, 7, 8, -11, -12, 9, 10, -15, -16, 13, 14}},
		{"runtime's, from a place on", "com.microsoft", []int{1, 1, 2, 4}, list("x", "first", "cos", "sin"), [][]byte{attrInt("interleaved", 1)}, []float32{1, 2, 3, 4, -6, 5, -8, 7}},
	} {
		t.Run(r.name, func(t *testing.T) {
			x := tensor.New(tensor.Float32, r.shape...)
			for i := copy(x.Float32s(), eight); i < x.Len(); i++ {
				x.Float32s()[i] = float32(i + 1)
			}
			for _, hidden := range [][]string{nil, {"x"}, r.in[:2]} {
				if r.name == "in part" && hidden != nil {
					hidden = r.in[:1]
				}
				f := attentionFile("RotaryEmbedding", r.domain, 23, x, c, r.in, list("y"), hidden, r.attrs...)
				if got := answer(t, f.bytes(), model.Tensors{"x": x})["y"]; !slices.Equal(got.Float32s(), r.want) || !slices.Equal(got.Shape(), r.shape) {
					t.Errorf("got %v %v, want %v", got, got.Float32s(), r.want)
				}
			}
		})
	}
}

// TestFusedOperators reads what ONNX Runtime's optimiser writes. x is 1 2 3 / 4 5 6.
func TestFusedOperators(t *testing.T) {
	ms := func(op string, in []string, attrs ...[]byte) []byte {
		return nodeMessage(op, "com.microsoft", "bad", in, list("y"), attrs...)
	}
	fl := func(name string, shape []int, v ...float32) []byte { return tensorProto(name, tensor.Of(v, shape...)) }
	constants := [][]byte{
		fl("b", []int{2, 3}, 1, 0, 0, 0, 1, 0), fl("c", []int{2, 2}, 1, 0, 0, 2), fl("v", []int{2}, 1, 10), fl("bias2", []int{2}, -3, -3), fl("bias3", []int{3}, -1, -2, -3), fl("gain", []int{3}, 1, 2, 3),
		fl("skip", []int{2, 3}, 0, -1, 1, -4, -5, -6), fl("half", []int{1}, 0.5), fl("halves", []int{2}, 0.5, 2), fl("exact", []int{1, 3}, 0, 51, 255),
		tensorProto("q", tensor.Of([]uint8{1, 2, 3, 4, 5, 6}, 2, 3)), tensorProto("w", tensor.Of([]int8{1, 0, 1, 0, 2, -1}, 3, 2)), tensorProto("2", tensor.Of([]uint8{2})), tensorProto("1", tensor.Of([]int8{1})),
		tensorProto("image", tensor.Of([]uint8{1, 90, 2, 80, 3, 70, 4, 60}, 1, 2, 2, 2)),
	}
	const r2 = math.Sqrt2
	gelu := func(x ...float64) []float64 {
		for i, v := range x {
			x[i] = v / 2 * (1 + math.Erf(v/r2))
		}
		return x
	}
	turned := nodeMessage("Transpose", "", "t", list("x"), list("t"))
	rms := func(i ...float64) float64 {
		return math.Sqrt((float64(i[0]*i[0])+float64(i[1]*i[1])+float64(i[2]*i[2]))/3 + 1e-5)
	}
	for _, c := range []struct {
		name  string
		nodes [][]byte
		want  []float64
	}{
		{"FusedMatMul", [][]byte{ms("FusedMatMul", list("x", "b"), attrInt("transB", 1), attrFloat("alpha", 0.5))}, []float64{0.5, 1, 2, 2.5}},
		{"FusedMatMul of x turned", [][]byte{ms("FusedMatMul", list("x", "c"), attrInt("transA", 1))}, []float64{1, 8, 2, 10, 3, 12}},
		{"FusedMatMul of unknown rank", [][]byte{turned, ms("FusedMatMul", list("t", "b"), attrInt("transA", 1), attrInt("transB", 1), attrFloat("alpha", 2))}, []float64{2, 4, 8, 10}},
		{"FusedMatMul with a vector", [][]byte{ms("FusedMatMul", list("x", "v"), attrInt("transA", 1))}, []float64{41, 52, 63}},
		{"FusedGemm", [][]byte{ms("FusedGemm", list("x", "b", "bias2"), attrInt("transB", 1), attrText("activation", "LeakyRelu"), attrFloat("activation_alpha", 0.5))}, []float64{-1, -0.5, 1, 2}},
		{"BiasGelu", [][]byte{ms("BiasGelu", list("x", "bias3"))}, gelu(0, 0, 0, 3, 3, 3)},
		// Sums are 1 1 4, mean 2 and variance 2, and 0 0 0.
		{"SkipLayerNormalization", [][]byte{ms("SkipLayerNormalization", list("x", "skip", "gain", "bias3"))}, []float64{-1/r2 - 1, -2/r2 - 2, 6/r2 - 3, -1, -2, -3}},
		{"SkipLayerNormalization of three", [][]byte{nodeMessage("SkipLayerNormalization", "com.microsoft", "bad", list("x", "skip", "gain", "", "gain"), list("n", "", "", "y"))}, []float64{2, 3, 7, 1, 2, 3}},
		{"SkipSimplifiedLayerNormalization", [][]byte{ms("SkipSimplifiedLayerNormalization", list("x", "skip", "gain", "bias3"), attrFloat("epsilon", 1e-5))},
			[]float64{0, -2 / rms(0, -1, 1), 3 / rms(0, -1, 1), -1 / rms(-1, -2, -3), -4 / rms(-1, -2, -3), -9 / rms(-1, -2, -3)}},
		{"SimplifiedLayerNormalization", [][]byte{nodeMessage("SimplifiedLayerNormalization", "", "bad", list("x", "gain"), list("y"))},
			[]float64{1 / rms(1, 2, 3), 4 / rms(1, 2, 3), 9 / rms(1, 2, 3), 4 / rms(4, 5, 6), 10 / rms(4, 5, 6), 18 / rms(4, 5, 6)}},
		// (q - 2)·(w - 1) is -1·(0,-1) + 0·(0,-1) + 1·(1,-2) and 2·(0,-1) + 3·(0,-1) + 4·(1,-2).
		{"MatMulIntegerToFloat", [][]byte{ms("MatMulIntegerToFloat", list("q", "w", "half", "halves", "2", "1", "bias2"))}, []float64{0.25 - 3, -1 - 3, 1 - 3, -13 - 3}},
		{"DynamicQuantizeMatMul", [][]byte{ms("DynamicQuantizeMatMul", list("exact", "w", "halves", "", "bias2"))}, []float64{561./2 - 3, -510 - 3}},
		{"NhwcMaxPool", [][]byte{nodeMessage("NhwcMaxPool", "com.microsoft", "bad", list("image"), list("p"), attrInts("kernel_shape", []int{2, 1})), nodeMessage("Cast", "", "f", list("p"), list("y"), attrInt("to", 1))},
			[]float64{3, 90, 4, 80}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file{inputs: [][]byte{floatInput("x", 2, 3)}, outputs: [][]byte{output("y")}, nodes: c.nodes, constants: constants}
			out := answer(t, f.bytes(), model.Tensors{"x": tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)})
			most := 1.
			for _, w := range c.want {
				most = max(most, math.Abs(w))
			}
			near(t, c.name, out["y"], c.want, 8*0x1p-24*most)
		})
	}
}

// TestAttentionRefuses names what cannot be read.
func TestAttentionRefuses(t *testing.T) {
	const ms = "com.microsoft"
	for _, c := range []struct {
		op, domain string
		in         []string
		attrs      [][]byte
		want       string
	}{
		{"Attention", "", list("x", "x", "x"), [][]byte{attrInt("q_num_heads", 2)}, "kv_num_heads is 0"},
		{"Attention", "", list("x", "x", "x"), [][]byte{attrInt("q_num_heads", 3), attrInt("kv_num_heads", 2)}, "q_num_heads is 3"},
		{"Attention", "", list("x", "x", "x"), nil, "q_num_heads"},
		{"Attention", "", list("x", "x", "x"), [][]byte{attrInt("softmax_precision", 11)}, "softmax_precision 11"},
		{"Attention", "", list("x", "x", "x"), [][]byte{attrInt("qk_matmul_output_mode", 4)}, "qk_matmul_output_mode 4"},
		{"Attention", "", list("x", "x", "x", "", "x"), [][]byte{attrInt("q_num_heads", 2), attrInt("kv_num_heads", 2)}, "past_value"},
		{"RotaryEmbedding", "", list("x", "x", "x"), [][]byte{attrInt("rotary_embedding_dim", 3)}, "rotary_embedding_dim is 3"},
		{"RotaryEmbedding", "", list("x", "x", "x"), [][]byte{attrInt("rotary_embedding_dim", 2)}, "num_heads"},
		{"RotaryEmbedding", ms, list("x", "i", "x", "x"), [][]byte{attrFloat("scale", 2)}, "scale"},
		{"Attention", ms, list("x", "x"), nil, "num_heads is 0"},
		{"Attention", ms, list("x", "x"), [][]byte{attrInt("num_heads", 2), attrInt("do_rotary", 1)}, "do_rotary"},
		{"MultiHeadAttention", ms, list("x", "x"), [][]byte{attrInt("num_heads", 2)}, "3 are needed"},
		{"MultiHeadAttention", ms, list("x", "x", "x", "", "", "", "", "", "i"), [][]byte{attrInt("num_heads", 2)}, "past_sequence_length"},
		{"FusedMatMul", ms, list("x", "x"), [][]byte{attrInt("transBatchA", 1)}, "transBatchA"},
		{"FusedGemm", ms, list("x", "x"), [][]byte{attrText("activation", "Gelu")}, "Gelu"},
	} {
		f := file{inputs: [][]byte{floatInput("x", 1, 4, 4), valueInfo("i", tensor.Int64, model.Fixed(1))}, outputs: [][]byte{output("y")},
			nodes: [][]byte{nodeMessage(c.op, c.domain, "bad", c.in, list("y"), c.attrs...)}, opset: 24}
		if _, err := Read(f.bytes()); err == nil || !strings.Contains(err.Error(), `"bad"`) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: got %v, want something about %s", c.domain, c.op, err, c.want)
		}
	}
}
