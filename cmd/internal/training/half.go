package training

import (
	"github.com/ocellus-vision/ocellus/model"
	"github.com/ocellus-vision/ocellus/model/layer"
	"github.com/ocellus-vision/ocellus/model/quant"
	"github.com/ocellus-vision/ocellus/model/tensor"
)

// least is how many elements a constant has at the least to be stored as something smaller.
const least = 256

// halved returns a Graph that computes the same with its large weights rounded to float16: constants of that type, each behind a Cast to float32, which
// every runtime reads and Compile folds away. The weights of locally connected layers stay: ONNX has no such layer, and what stands for it is made of
// constants. g itself stays as it is.
func halved(g *model.Graph) (*model.Graph, error) {
	h := *g
	h.Nodes = nil
	wide := map[*model.Value]*model.Value{}
	for _, n := range g.Nodes {
		c := *n
		if _, local := n.Op.(*layer.LocallyConnected); local {
			h.Nodes = append(h.Nodes, &c)
			continue
		}
		c.In = make([]*model.Value, len(n.In))
		for i, v := range n.In {
			if c.In[i] = v; v == nil || v.Const == nil || v.Const.DType() != tensor.Float32 || v.Const.Len() < least {
				continue
			}
			if wide[v] == nil {
				t := tensor.New(tensor.Float16, v.Const.Shape()...)
				if err := tensor.Convert(t, v.Const, true); err != nil {
					return nil, err
				}
				wide[v] = h.Add(v.Name, &layer.Cast{To: tensor.Float32}, model.Const(v.Name+":float16", t))
			}
			c.In[i] = wide[v]
		}
		h.Nodes = append(h.Nodes, &c)
	}
	return &h, nil
}

// quantised returns a Graph that computes the same with the large weights of its convolutions and fully connected layers rounded to int8: each output's to
// multiples of a 127th of the greatest, behind a DequantizeLinear, which every runtime reads and Compile folds away. g itself stays as it is.
func quantised(g *model.Graph) *model.Graph {
	q := *g
	q.Nodes = nil
	for _, n := range g.Nodes {
		c := *n
		gemm, dense := n.Op.(*layer.Gemm)
		_, conv := n.Op.(*layer.Conv)
		if (conv || dense && gemm.TransB) && n.In[1].Const != nil && n.In[1].Const.DType() == tensor.Float32 && n.In[1].Const.Len() >= least {
			w := n.In[1]
			whole, scale := quant.Weights(w.Const, 0)
			c.In = append([]*model.Value{}, n.In...)
			c.In[1] = q.Add(w.Name, &layer.Dequantize{Axis: 0}, model.Const(w.Name+":int8", whole), model.Const(w.Name+":scale", scale))
		}
		q.Nodes = append(q.Nodes, &c)
	}
	return &q
}
