#!/usr/bin/python3
"""Records gradients that PyTorch computes in float32, for TestGradientsOfPyTorch. Usage: gradients.py > gradients.json

Each case has inputs, dy, PyTorch's gradients of sum(y*dy) by the inputs, and for each element g of a gradient a magnitude: the sum of |dg/dv * v| over all
numbers v that it depends on, from central differences in float64, and |dg/dy * y| where the gradient of an activation comes from its result y. Rounding each v once moves g by 2**-24 magnitudes at most; "terms" is the
length of the longest sum on the way to g.

Written for PyTorch 1.13 (Debian's python3-torch).
"""
import json

import torch
import torch.nn.functional as F

torch.manual_seed(1)
torch.set_num_threads(1)
cases = []


def draw(shape, low=-2.0, high=2.0, grid=64):
    """Multiples of 1/grid, which float32 holds exactly."""
    return (torch.rand(shape, dtype=torch.float64) * (high - low) + low).mul(grid).round().div(grid)


def gradients(f, inputs, dy):
    x = [v.clone().requires_grad_() for v in inputs]
    return torch.autograd.grad((f(*x) * dy).sum(), x)


def magnitudes(f, inputs, dy, kinks):
    """The sums of |dg/dv * v|; where there are kinks, over dy alone."""
    total = [torch.zeros_like(g) for g in gradients(f, inputs, dy)]
    values = [dy] if kinks else [*inputs, dy]
    h = 1e-5
    for v in values:
        flat = v.view(-1)
        for k in range(flat.numel()):
            was = flat[k].item()
            if was == 0:
                continue
            flat[k] = was + h
            above = gradients(f, inputs, dy)
            flat[k] = was - h
            below = gradients(f, inputs, dy)
            flat[k] = was
            for t, a, b in zip(total, above, below):
                t += ((a - b) / (2 * h) * was).abs()
    return total


def numbers(t, digits):
    return [float(f"%.{digits}g" % v) for v in t.reshape(-1).tolist()]


def case(name, f, *inputs, terms=1, kinks=False, kept=None):
    inputs = [v.contiguous() for v in inputs]
    y = f(*inputs)
    dy = draw(list(y.shape))
    single = gradients(f, [v.float() for v in inputs], dy.float())
    size = magnitudes(f, inputs, dy, kinks)
    if kept:
        size[0] += (kept(y) * dy).abs()
    cases.append({
        "name": name, "terms": terms, "dy": numbers(dy, 9),
        "in": [{"shape": list(v.shape), "data": numbers(v, 9), "grad": numbers(g, 9), "magnitude": numbers(m, 3)}
               for v, g, m in zip(inputs, single, size)],
    })


case("conv", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), draw([2, 2, 5, 4]), draw([3, 2, 3, 3]), draw([3]), terms=27)
case("conv groups dilation", lambda x, w, b: F.conv2d(x, w, b, padding=(2, 1), dilation=(2, 1), groups=2), draw([1, 4, 4, 4]), draw([4, 2, 3, 2]), draw([4]), terms=40)
case("conv depthwise", lambda x, w: F.conv2d(x, w, stride=(1, 2), padding=1, groups=3), draw([2, 3, 3, 4]), draw([3, 1, 3, 3]), terms=12)
case("conv 1-d", lambda x, w, b: F.conv1d(x, w, b, padding=2, dilation=2), draw([2, 2, 5]), draw([2, 2, 3]), draw([2]), terms=10)
case("conv transpose", lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1, output_padding=(1, 0)), draw([2, 2, 3, 2]), draw([2, 3, 3, 3]), draw([3]), terms=60)
case("conv transpose groups", lambda x, w: F.conv_transpose2d(x, w, stride=(1, 3), dilation=(2, 1), groups=2), draw([1, 4, 2, 3]), draw([4, 1, 2, 2]), terms=8)
case("linear", lambda x, w, b: F.linear(x, w, b), draw([4, 5]), draw([3, 5]), draw([3]), terms=5)
case("matmul", torch.matmul, draw([2, 1, 3, 2]), draw([3, 2, 4]), terms=12)
case("matmul batch", torch.matmul, draw([2, 3, 4]), draw([4, 2]), terms=6)

# Grids of quarters make ties and meet the kinks.
case("max pool", lambda x: F.max_pool2d(x, 3, 2, 1), draw([2, 2, 5, 6], grid=2), terms=4, kinks=True)
case("max pool dilation", lambda x: F.max_pool2d(x, 2, 1, 0, dilation=2), draw([1, 2, 4, 5], grid=2), terms=4, kinks=True)
case("average pool", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), draw([2, 2, 5, 6]), terms=4)
case("average pool with padding", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=True), draw([1, 2, 6, 6]), terms=4)
case("l2 pool", lambda x: F.lp_pool2d(x, 2, 2, 1), draw([1, 2, 4, 3]), terms=8)
case("global average", lambda x: F.adaptive_avg_pool2d(x, 1), draw([2, 3, 3, 2]))
case("global max", lambda x: F.adaptive_max_pool2d(x, 1), draw([2, 3, 3, 2], grid=1), kinks=True)

case("batch norm", lambda x, s, b: F.batch_norm(x, None, None, s, b, training=True, eps=1e-3), draw([3, 2, 2, 2]), draw([2]), draw([2]), terms=36)
case("batch norm frozen", lambda x, s, b, m, v: (x - m[:, None]) / torch.sqrt(v[:, None] + 1e-3) * s[:, None] + b[:, None],
     draw([3, 2, 2]), draw([2]), draw([2]), draw([2]), draw([2], 0.5), terms=6)
case("instance norm", lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=1e-3), draw([2, 2, 3, 2]), draw([2]), draw([2]), terms=24)
case("layer norm", lambda x, s, b: F.layer_norm(x, [4], s, b, eps=1e-3), draw([3, 4]), draw([4]), draw([4]), terms=12)
case("group norm", lambda x, s, b: F.group_norm(x, 2, s, b, eps=1e-3), draw([2, 4, 3]), draw([4]), draw([4]), terms=18)
case("lrn", lambda x: F.local_response_norm(x, 3, alpha=0.5, beta=0.75, k=1.0), draw([1, 5, 2, 2]), terms=9)
case("normalize", lambda x: F.normalize(x, dim=1), draw([2, 3, 2]), terms=6)
case("softmax", lambda x: F.softmax(x, 1), draw([2, 4, 2]), terms=8)
case("log softmax", lambda x: F.log_softmax(x, -1), draw([3, 4]), terms=8)
labels = torch.tensor([2, 0, -100, 1])
case("cross entropy", lambda x: F.cross_entropy(x, labels, weight=torch.tensor([1.0, 2.0, 0.5], dtype=x.dtype)), draw([4, 3]), terms=7)
case("cross entropy smooth", lambda x: F.cross_entropy(x, labels, label_smoothing=0.125), draw([4, 3]), terms=7)

kept = {
    "elu": lambda y: y, "selu": lambda y: y, "celu": lambda y: y / 0.75, "sigmoid": lambda y: y * (1 - 2 * y), "tanh": lambda y: 2 * y * y,
    "softplus": lambda y: y * torch.exp(-y), "softsign": lambda y: 2 * y * (1 - y.abs()), "exp": lambda y: y,
}
line = torch.arange(-28, 29, dtype=torch.float64) / 4  # -7 to 7
for name, f in {
    "relu": F.relu, "relu6": F.relu6, "leaky": lambda x: F.leaky_relu(x, 0.125), "elu": lambda x: F.elu(x, 1.5), "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.75), "hard sigmoid": F.hardsigmoid, "abs": torch.abs, "threshold": lambda x: F.threshold(x, 0.5, 0.0),
}.items():
    case(name, f, line.clone(), kinks=True, kept=kept.get(name))
# These points miss 3, where the vector and the scalar code of PyTorch differ.
case("hard swish", F.hardswish, line + 0.125, kinks=True, kept=lambda y: 0.5)
short = torch.arange(-16, 17, dtype=torch.float64) / 8  # -2 to 2
for name, f in {
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": F.softplus, "softsign": F.softsign, "mish": F.mish, "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu, "erf": torch.erf, "exp": torch.exp, "atan": torch.atan,
}.items():
    case(name, f, short.clone(), kept=kept.get(name))
case("prelu", lambda x, w: F.prelu(x, w.reshape(-1)), draw([2, 3, 4], grid=2), draw([3, 1]), terms=8, kinks=True)

case("add", torch.add, draw([2, 3]), draw([3]), terms=2)
case("sub", torch.sub, draw([3]), draw([2, 3]), terms=2)
case("mul", torch.mul, draw([2, 3, 2]), draw([3, 1]), terms=4)
case("div", torch.div, draw([2, 3]), draw([3], 0.5), terms=2)
case("pow", torch.pow, draw([2, 3], 0.5), draw([3]), terms=2)
case("maximum", torch.maximum, draw([2, 8], grid=1), draw([8], grid=1), terms=2, kinks=True)
case("minimum", torch.minimum, draw([2, 8], grid=1), draw([8], grid=1), terms=2, kinks=True)
case("reduce max", lambda x: torch.amax(x, 1), draw([3, 6], grid=1), kinks=True)
case("reduce mean", lambda x: x.mean((2, 3)), draw([2, 2, 3, 2]))
case("reduce l2", lambda x: torch.linalg.vector_norm(x, 2, 1), draw([2, 4]), terms=4)
case("reduce log-sum-exp", lambda x: torch.logsumexp(x, 1), draw([2, 4]), terms=4)
case("reduce product", lambda x: torch.prod(x, 1), torch.tensor([[1, -2, 0.5, 1.5], [1, 0, 0.5, 1.5], [0, 0, 2, 1]], dtype=torch.float64), terms=3, kinks=True)

case("nearest", lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), draw([1, 2, 2, 3]), terms=4)
case("bilinear", lambda x: F.interpolate(x, size=(5, 4), mode="bilinear", align_corners=False), draw([1, 2, 3, 2]), terms=16)
case("bilinear corners", lambda x: F.interpolate(x, size=(4, 3), mode="bilinear", align_corners=True), draw([1, 1, 3, 5]), terms=16)
case("bicubic", lambda x: F.interpolate(x, size=(6, 5), mode="bicubic", align_corners=False), draw([1, 1, 4, 3]), terms=40)
case("pixel shuffle", lambda x: F.pixel_shuffle(x, 2), draw([1, 8, 2, 1]))
case("pad", lambda x: F.pad(x, (1, 2, 0, 1)), draw([2, 3]))
case("pad reflect", lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"), draw([1, 1, 3, 3]), terms=9)
case("pad replicate", lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"), draw([1, 1, 3, 3]), terms=12)
case("pad circular", lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"), draw([1, 1, 3, 3]), terms=9)
case("gather", lambda x: F.embedding(torch.tensor([[0, 3, 3], [1, 0, 3]]), x), draw([4, 2]), terms=3)

print("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]")
