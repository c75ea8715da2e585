package onnx

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of onnx.proto, as far as they matter here. Nested graphs and tensors stay bytes until somebody wants them.

type opsetID struct {
	domain  string
	version int64
}

type modelProto struct {
	irVersion int64
	producer  string
	doc       string
	graph     []byte
	opsets    []opsetID
	meta      []entry
	functions [][]byte
}

type entry struct{ key, value string }

type graphProto struct {
	name, doc       string
	nodes           []nodeProto
	initializers    [][]byte
	inputs, outputs []valueProto
	sparse          bool
}

type nodeProto struct {
	name, op, domain, overload string
	in, out                    []string
	attrs                      []attrProto
}

type attrProto struct {
	name, ref string
	kind      int64
	f         float32
	i         int64
	s         []byte
	t, g      []byte // g is a graph or a type
	floats    []float32
	ints      []int64
	strings   [][]byte
}

// The kinds of attributes that are read.
const (
	kindFloat   = 1
	kindInt     = 2
	kindString  = 3
	kindTensor  = 4
	kindGraph   = 5
	kindFloats  = 6
	kindInts    = 7
	kindStrings = 8
	kindType    = 13
)

type dimProto struct {
	size  int64 // -1 where it is not known
	param string
}

// The kinds of values that a network may have inside.
const (
	sequenceKind = "sequence"
	optionalKind = "optional"
)

type valueProto struct {
	name   string
	kind   string // of a value that is no tensor
	tensor bool
	dtype  int64
	ranked bool
	dims   []dimProto
}

type functionProto struct {
	name, domain, overload string
	in, out, attrs         []string
	defaults               []attrProto
	nodes                  []nodeProto
	opsets                 []opsetID
}

// decoder reads messages and counts the memory that it makes of them.
type decoder struct{ left int }

var errBudget = errors.New("more nodes, names and attributes than any network has")

// spend accounts for n bytes.
func (d *decoder) spend(n int) error {
	if d.left -= n; d.left < 0 {
		return errBudget
	}
	return nil
}

// field is one field of a message: b for length-delimited ones, u for the others.
type field struct {
	num protowire.Number
	typ protowire.Type
	b   []byte
	u   uint64
}

// fields calls f for each field of a message.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		x := field{num: num, typ: typ}
		switch typ {
		case protowire.VarintType:
			x.u, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			x.u = uint64(v)
		case protowire.Fixed64Type:
			x.u, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			x.b, n = protowire.ConsumeBytes(b)
		default:
			return fmt.Errorf("field %d has wire type %d", num, typ)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// bytes returns a length-delimited field.
func (x field) bytes() ([]byte, error) {
	if x.typ != protowire.BytesType {
		return nil, fmt.Errorf("field %d has wire type %d", x.num, x.typ)
	}
	return x.b, nil
}

func (d *decoder) text(x field, to *string) error {
	b, err := x.bytes()
	if err == nil {
		err = d.spend(16 + len(b))
	}
	if err == nil {
		*to = string(b)
	}
	return err
}

func (d *decoder) texts(x field, to *[]string) error {
	var s string
	if err := d.text(x, &s); err != nil {
		return err
	}
	*to = append(*to, s)
	return d.spend(16)
}

func number(x field, to *int64) error {
	if x.typ != protowire.VarintType {
		return fmt.Errorf("field %d has wire type %d", x.num, x.typ)
	}
	*to = int64(x.u)
	return nil
}

// numbers appends a repeated integer, packed or not.
func (d *decoder) numbers(x field, to *[]int64) error {
	if x.typ == protowire.VarintType {
		*to = append(*to, int64(x.u))
		return d.spend(16)
	}
	b, err := x.bytes()
	if err != nil {
		return err
	}
	if err := d.spend(8 * varints(b)); err != nil {
		return err
	}
	for len(b) > 0 {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		*to = append(*to, int64(v))
	}
	return nil
}

// varints counts the numbers in a packed field.
func varints(b []byte) int {
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	return n
}

func (d *decoder) floats(x field, to *[]float32) error {
	if x.typ == protowire.Fixed32Type {
		*to = append(*to, math.Float32frombits(uint32(x.u)))
		return d.spend(8)
	}
	b, err := x.bytes()
	if err != nil {
		return err
	}
	if len(b)%4 != 0 {
		return errors.New("a packed float is cut short")
	}
	if err := d.spend(len(b)); err != nil {
		return err
	}
	for ; len(b) > 0; b = b[4:] {
		v, _ := protowire.ConsumeFixed32(b)
		*to = append(*to, math.Float32frombits(v))
	}
	return nil
}

func (d *decoder) entry(x field) (e entry, err error) {
	b, err := x.bytes()
	if err != nil {
		return e, err
	}
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			return d.text(x, &e.key)
		case 2:
			return d.text(x, &e.value)
		}
		return nil
	})
	return e, err
}

func (d *decoder) opset(x field, to *[]opsetID) error {
	b, err := x.bytes()
	if err != nil {
		return err
	}
	var o opsetID
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			return d.text(x, &o.domain)
		case 2:
			return number(x, &o.version)
		}
		return nil
	})
	*to = append(*to, o)
	return errors.Join(err, d.spend(64))
}

func (d *decoder) model(b []byte) (m modelProto, err error) {
	err = fields(b, func(x field) (err error) {
		switch x.num {
		case 1:
			return number(x, &m.irVersion)
		case 2:
			return d.text(x, &m.producer)
		case 6:
			return d.text(x, &m.doc)
		case 7:
			m.graph, err = x.bytes()
		case 8:
			return d.opset(x, &m.opsets)
		case 14:
			var e entry
			e, err = d.entry(x)
			m.meta = append(m.meta, e)
		case 25:
			var f []byte
			f, err = x.bytes()
			m.functions = append(m.functions, f)
			if err == nil {
				err = d.spend(48)
			}
		}
		return err
	})
	return m, err
}

func (d *decoder) graph(b []byte) (g graphProto, err error) {
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			n, err := d.node(b)
			if err != nil {
				return fmt.Errorf("node %d: %w", len(g.nodes), err)
			}
			g.nodes = append(g.nodes, n)
		case 2:
			return d.text(x, &g.name)
		case 5:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			g.initializers = append(g.initializers, b)
			return d.spend(300)
		case 10:
			return d.text(x, &g.doc)
		case 11, 12:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			v, err := d.value(b)
			if err != nil {
				return err
			}
			if x.num == 11 {
				g.inputs = append(g.inputs, v)
			} else {
				g.outputs = append(g.outputs, v)
			}
		case 15:
			g.sparse = true
		}
		return nil
	})
	return g, err
}

func (d *decoder) node(b []byte) (n nodeProto, err error) {
	if err := d.spend(600); err != nil {
		return n, err
	}
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			if len(n.in) >= maxInputs {
				return errors.New("too many inputs")
			}
			return d.texts(x, &n.in)
		case 2:
			if len(n.out) >= maxOutputs {
				return errors.New("too many outputs")
			}
			return d.texts(x, &n.out)
		case 3:
			return d.text(x, &n.name)
		case 4:
			return d.text(x, &n.op)
		case 5:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			a, err := d.attr(b)
			n.attrs = append(n.attrs, a)
			return err
		case 7:
			return d.text(x, &n.domain)
		case 8:
			return d.text(x, &n.overload)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("%q (%s): %w", n.name, n.op, err)
	}
	return n, err
}

func (d *decoder) attr(b []byte) (a attrProto, err error) {
	if err := d.spend(400); err != nil {
		return a, err
	}
	seen := int64(0) // what the fields say, for files from before the type field
	err = fields(b, func(x field) (err error) {
		switch x.num {
		case 1:
			return d.text(x, &a.name)
		case 2:
			if x.typ != protowire.Fixed32Type {
				return fmt.Errorf("field %d has wire type %d", x.num, x.typ)
			}
			seen, a.f = kindFloat, math.Float32frombits(uint32(x.u))
		case 3:
			seen = kindInt
			return number(x, &a.i)
		case 4:
			seen = kindString
			a.s, err = x.bytes()
		case 5:
			seen = kindTensor
			a.t, err = x.bytes()
		case 6:
			seen = kindGraph
			a.g, err = x.bytes()
		case 7:
			seen = kindFloats
			return d.floats(x, &a.floats)
		case 8:
			seen = kindInts
			return d.numbers(x, &a.ints)
		case 9:
			seen = kindStrings
			var s []byte
			s, err = x.bytes()
			a.strings = append(a.strings, s)
			if err == nil {
				err = d.spend(48)
			}
		case 14:
			seen = kindType
			a.g, err = x.bytes()
		case 20:
			return number(x, &a.kind)
		case 21:
			return d.text(x, &a.ref)
		}
		return err
	})
	if a.kind == 0 {
		a.kind = seen
	}
	return a, err
}

func (d *decoder) value(b []byte) (v valueProto, err error) {
	if err := d.spend(200); err != nil {
		return v, err
	}
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			return d.text(x, &v.name)
		case 2:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			return d.typ(b, &v)
		}
		return nil
	})
	return v, err
}

// typ reads the type of a value.
func (d *decoder) typ(b []byte, v *valueProto) error {
	return fields(b, func(x field) error {
		switch x.num {
		case 1:
		case 4:
			v.kind = sequenceKind
			return nil
		case 5:
			v.kind = "map"
			return nil
		case 8:
			v.kind = "sparse_tensor"
			return nil
		case 9:
			v.kind = optionalKind
			return nil
		default:
			return nil
		}
		b, err := x.bytes()
		if err != nil {
			return err
		}
		v.tensor = true
		return fields(b, func(x field) error {
			switch x.num {
			case 1:
				return number(x, &v.dtype)
			case 2:
				b, err := x.bytes()
				if err != nil {
					return err
				}
				v.ranked = true
				return d.shape(b, &v.dims)
			}
			return nil
		})
	})
}

func (d *decoder) shape(b []byte, to *[]dimProto) error {
	return fields(b, func(x field) error {
		if x.num != 1 {
			return nil
		}
		b, err := x.bytes()
		if err != nil {
			return err
		}
		dim := dimProto{size: -1}
		err = fields(b, func(x field) error {
			switch x.num {
			case 1:
				return number(x, &dim.size)
			case 2:
				return d.text(x, &dim.param)
			}
			return nil
		})
		if err != nil {
			return err
		}
		*to = append(*to, dim)
		return d.spend(64)
	})
}

func (d *decoder) function(b []byte) (f functionProto, err error) {
	if err := d.spend(400); err != nil {
		return f, err
	}
	err = fields(b, func(x field) error {
		switch x.num {
		case 1:
			return d.text(x, &f.name)
		case 4:
			return d.texts(x, &f.in)
		case 5:
			return d.texts(x, &f.out)
		case 6:
			return d.texts(x, &f.attrs)
		case 7:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			n, err := d.node(b)
			if err != nil {
				return fmt.Errorf("node %d: %w", len(f.nodes), err)
			}
			f.nodes = append(f.nodes, n)
		case 9:
			return d.opset(x, &f.opsets)
		case 10:
			return d.text(x, &f.domain)
		case 11:
			b, err := x.bytes()
			if err != nil {
				return err
			}
			a, err := d.attr(b)
			f.defaults = append(f.defaults, a)
			return err
		case 13:
			return d.text(x, &f.overload)
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("function %q: %w", f.name, err)
	}
	return f, err
}
