#!/usr/bin/python3
"""Writes pytorch.json: gradients and optimiser steps of PyTorch on small tensors, for TestPyTorch.

    /usr/bin/python3 pytorch.py > pytorch.json      (Debian: python3-torch)
"""
import json
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_num_threads(1)
out = []


def flat(t):
    return [float(f"{v:.9g}") for v in t.detach().reshape(-1).tolist()]


def record(name, f, x, more=None, **numbers):
    """f's result and gradient at x; x and more are NCHW or [rows, C], and recorded channels last."""
    last = (lambda t: t.permute(0, 2, 3, 1)) if x.dim() == 4 else (lambda t: t)
    x = x.clone().requires_grad_(True)
    y = f(x)
    dy = torch.linspace(-1.5, 2, y.numel()).reshape(y.shape)
    y.backward(dy)
    case = {"name": name, "shape": list(last(x).shape), "x": flat(last(x)), "dx": flat(last(x.grad)), **numbers}
    swap = last if y.dim() == x.dim() else (lambda t: t)
    case["y"], case["dy"] = flat(swap(y)), flat(swap(dy))
    for k, t in (more or {}).items():
        case[k] = flat(t if t.grad is None else t.grad)
    out.append(case)


kinks = torch.tensor([[-4, -3, -2.5, -1, -0.5, 0, 0.25, 1, 2, 3, 5, 6, 7]])
for name, f in {
    "ReLU": F.relu, "ReLU6": F.relu6, "LeakyReLU": lambda x: F.leaky_relu(x, 0.25), "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "ELU": F.elu,
    "SELU": F.selu, "Softplus": F.softplus, "SiLU": F.silu, "HardSwish": F.hardswish, "HardSigmoid": F.hardsigmoid, "GELU": F.gelu, "Erf": torch.erf, "Abs": torch.abs,
}.items():
    record(name, f, kinks)

x = torch.randn(2, 3, 4, 5) * 2 + 1
gain, bias = torch.tensor([0.5, -1.5, 2], requires_grad=True), torch.tensor([0.25, 1, -0.5], requires_grad=True)
g, b = gain.tolist(), bias.tolist()
record("BatchNorm", lambda x: F.relu(F.batch_norm(x, None, None, gain, bias, True, 0, 1e-5)), x, {"dgain": gain, "dbias": bias}, gain=g, bias=b)
whole = torch.randint(-2, 3, (2, 3, 6, 7)).float()
record("MaxPool", lambda x: F.max_pool2d(x, 3, 2, 1), whole, pool=[3, 2, 1, 0])
record("AvgPool", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=True), whole, pool=[3, 2, 1, 1])
record("AvgPool", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), whole, pool=[3, 2, 1, 0])
record("AvgPool", lambda x: F.avg_pool2d(x, 2, 1), whole, pool=[2, 1, 0, 0])
record("LRN", lambda x: F.local_response_norm(x, 5, 0.5, 0.75, 2), torch.randn(1, 7, 2, 2) * 2)
rows = torch.randn(4, 7) * 2
record("Softmax", lambda x: F.softmax(x, 1), rows)
record("LogSoftmax", lambda x: F.log_softmax(x, 1), rows)

grads = [torch.randn(6) for _ in range(3)]
for name, opt in {
    "SGD": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01),
    "Nesterov": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "AdamW": lambda p: torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.1),
}.items():
    w = torch.linspace(-1, 1, 6).requires_grad_(True)
    o, start = opt(w), flat(w)
    for grad in grads:
        w.grad = grad.clone()
        o.step()
    out.append({"name": name, "x": start, "y": flat(w), "dx": [], "dy": [v for grad in grads for v in flat(grad)], "shape": [6]})

print("[\n" + ",\n".join(json.dumps(c) for c in out) + "\n]")
print(f"PyTorch {torch.__version__}: {len(out)} cases", file=sys.stderr)
