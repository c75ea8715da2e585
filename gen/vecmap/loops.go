package main

import "github.com/ocellus-vision/ocellus/gen/vec"

// columns returns the sums over rows.
func columns() []vec.Kernel {
	one := func(name, formula string, in, rows []string, f func(p *prog, in, row []v, s v) v) vec.Kernel {
		return vec.Kernel{Name: "Column" + name, Doc: "computes s[i] = " + formula + " for i < width, for each row of sources in order. Rows are stride floats apart.",
			In: in, Rows: rows, Sums: []string{"s"},
			Columns: func(p *prog, in, row, _, sum []v) []v { return []v{f(p, in, row, sum[0])} }}
	}
	two := func(name, formula string, in, param []string, mask func(p *prog, in, a []v) v) vec.Kernel {
		return vec.Kernel{Name: "Column" + name,
			Doc: "computes s[i] = s[i] + g and t[i] = fma(g, x[i]-m[i], t[i]), g = " + formula + ", for i < width, for each row of\ndy, x and y in order. Rows are stride floats apart.",
			In:  in, Rows: []string{"m"}, Sums: []string{"s", "t"}, Param: param,
			Columns: func(p *prog, in, row, a, sum []v) []v {
				g := mask(p, in, a)
				return []v{p.Add(sum[0], g), p.FMA(g, p.Sub(in[1], row[0]), sum[1])}
			}}
	}
	return []vec.Kernel{
		one("Sum", "s[i] + x[i]", x, nil, func(p *prog, in, _ []v, s v) v { return p.Add(s, in[0]) }),
		one("Dot", "fma(a[i], b[i], s[i])", ab, nil, func(p *prog, in, _ []v, s v) v { return p.FMA(in[0], in[1], s) }),
		one("SquareDiff", "fma(d, d, s[i]), d = x[i] - m[i],", x, []string{"m"}, func(p *prog, in, m []v, s v) v {
			d := p.Sub(in[0], m[0])
			return p.FMA(d, d, s)
		}),
		one("PReLU", "fma(dy[i], x[i] > 0 ? 0 : x[i], s[i])", []string{"dy", "x"}, nil, func(p *prog, in, _ []v, s v) v {
			return p.FMA(in[0], p.Select(p.Lt(p.Const(0), in[1]), p.Const(0), in[1]), s)
		}),
		two("Grad", "dy[i]", []string{"dy", "x"}, nil, func(_ *prog, in, _ []v) v { return in[0] }),
		two("GradClip", "lo < y[i] < hi ? dy[i] : 0", []string{"dy", "x", "y"}, []string{"lo", "hi"},
			func(p *prog, in, a []v) v { return clipGrad(p, in[0], in[2], a[0], a[1]) }),
		two("GradLeaky", "y[i] > 0 ? dy[i] : alpha·dy[i]", []string{"dy", "x", "y"}, []string{"alpha"},
			func(p *prog, in, a []v) v { return leakyGrad(p, in[0], in[2], a[0]) }),
	}
}

// updates returns the steps of the optimisers, and the gradient of batch normalisation.
func updates() []vec.Kernel {
	sgd := func(name, doc string, nesterov bool) vec.Kernel {
		return vec.Kernel{Name: name, Doc: doc, In: []string{"w", "v", "dw"}, Param: []string{"scale", "decay", "momentum", "rate"},
			Update: func(p *prog, in, a []v) []v {
				d := p.FMA(in[0], a[1], p.Mul(in[2], a[0]))
				velocity := p.FMA(in[1], a[2], d)
				if nesterov {
					d = p.FMA(velocity, a[2], d)
				} else {
					d = velocity
				}
				return []v{p.FMA(d, a[3], in[0]), velocity}
			}}
	}
	input := func(name, formula string, y, param []string, mask func(p *prog, in, a []v) v) vec.Kernel {
		return vec.Kernel{Name: name, Doc: "computes dst[i] = fma(g, a[i], fma(x[i], b[i], k[i])), g = " + formula + ", for i < n.",
			In: append(append([]string{"dy", "x"}, y...), "a", "b", "k"), Param: param,
			Map: func(p *prog, in, a []v) v {
				n := len(in)
				return p.FMA(mask(p, in, a), in[n-3], p.FMA(in[1], in[n-2], in[n-1]))
			}}
	}
	y := []string{"y"}
	return []vec.Kernel{
		sgd("SGD", "computes v[i] = fma(v[i], momentum, d), d = fma(w[i], decay, dw[i]·scale), and w[i] = fma(v[i], rate, w[i]) for i < n.", false),
		sgd("Nesterov", "computes v[i] = fma(v[i], momentum, d), d = fma(w[i], decay, dw[i]·scale), and w[i] = fma(fma(v[i], momentum, d), rate, w[i]) for i < n.", true),
		{Name: "AdamW", Doc: "computes m[i] = fma(d-m[i], take1, m[i]), d = dw[i]·scale, v[i] = fma(d·take2, d, v[i]·keep2) and\nw[i] = fma(m[i]/fma(√v[i], root, eps), rate, w[i]·keep) for i < n.",
			In: []string{"w", "m", "v", "dw"}, Param: []string{"scale", "take1", "keep2", "take2", "root", "eps", "rate", "keep"},
			Update: func(p *prog, in, a []v) []v {
				d := p.Mul(in[3], a[0])
				m := p.FMA(p.Sub(d, in[1]), a[1], in[1])
				s := p.FMA(p.Mul(d, a[3]), d, p.Mul(in[2], a[2]))
				q := p.Div(m, p.FMA(p.Sqrt(s), a[4], a[5]))
				return []v{p.FMA(q, a[6], p.Mul(in[0], a[7])), m, s}
			}},
		input("BatchNormGrad", "dy[i]", nil, nil, func(_ *prog, in, _ []v) v { return in[0] }),
		input("BatchNormGradClip", "lo < y[i] < hi ? dy[i] : 0", y, []string{"lo", "hi"}, func(p *prog, in, a []v) v { return clipGrad(p, in[0], in[2], a[0], a[1]) }),
		input("BatchNormGradLeaky", "y[i] > 0 ? dy[i] : alpha·dy[i]", y, []string{"alpha"}, func(p *prog, in, a []v) v { return leakyGrad(p, in[0], in[2], a[0]) }),
	}
}

// poolGrads returns the gradients of pooling.
func poolGrads() []vec.Kernel {
	const doc = "\nThe window has kh rows of kw positions, col bytes apart; skip is from the end of a row to the next, back what all rows are together. Pixels are step bytes apart in dx and x, out bytes in y and dy."
	zero := func(p *prog) v { return p.Const(0) }
	return []vec.Kernel{
		{Name: "PoolMaxGrad", Doc: "adds dy[c] to dx[c] at the first position of each pixel's window where x[c] is y[c], or both are NaN." + doc,
			In: []string{"dx", "x"}, Rows: []string{"y", "dy"}, State: 2,
			Start: func(_ *prog, row, _ []v) []v { return []v{row[0], row[1]} },
			Taps: func(p *prog, in, _, s []v) []v {
				x, y, g := in[1], s[0], s[1]
				same := p.Eq(x, y)
				nan := p.Select(p.Eq(y, y), zero(p), p.Select(p.Eq(x, x), zero(p), g))
				left := p.Select(p.Eq(y, y), g, p.Select(p.Eq(x, x), g, zero(p)))
				return []v{p.Add(in[0], p.Select(same, g, nan)), y, p.Select(same, zero(p), left)}
			}},
		{Name: "PoolAvgGrad", Doc: "adds dy[c]/count to dx[c] at each position of each pixel's window." + doc,
			In: []string{"dx"}, Rows: []string{"dy"}, Param: []string{"count"}, State: 1,
			Start: func(p *prog, row, a []v) []v { return []v{p.Div(row[0], a[0])} },
			Taps:  func(p *prog, in, _, s []v) []v { return []v{p.Add(in[0], s[0]), s[0]} }},
		{Name: "PoolL2Grad", Doc: "computes dx[c] = fma(g, x[c], dx[c]), g = y[c] > 0 ? dy[c]/y[c] : 0, at each position of each pixel's window." + doc,
			In: []string{"dx", "x"}, Rows: []string{"y", "dy"}, State: 1,
			Start: func(p *prog, row, _ []v) []v {
				return []v{p.Select(p.Lt(zero(p), row[0]), p.Div(row[1], row[0]), zero(p))}
			},
			Taps: func(p *prog, in, _, s []v) []v { return []v{p.FMA(s[0], in[1], in[0]), s[0]} }},
	}
}
