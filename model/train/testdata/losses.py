#!/usr/bin/python3
"""Records losses and their gradients that PyTorch computes in float64, for TestLossesOfPyTorch. Usage: losses.py > losses.json

Inputs are multiples of 1/64. Written for PyTorch 1.13 (Debian's python3-torch).
"""
import json
import math

import torch
import torch.nn.functional as F

torch.manual_seed(1)
torch.set_num_threads(1)


def draw(*shape, low=-2.0, high=2.0):
    return (torch.rand(shape, dtype=torch.float64) * (high - low) + low).mul(64).round().div(64)


def flat(t):
    return t.reshape(-1).tolist()


cases = []


def case(name, f, out, target, mask=None):
    x = out.clone().requires_grad_()
    loss = f(x)
    (grad,) = torch.autograd.grad(loss, x)
    c = {"name": name, "shape": list(out.shape), "out": flat(out), "targetShape": list(target.shape), "target": flat(target), "loss": loss.item(), "grad": flat(grad)}
    if mask is not None:
        c["maskShape"], c["mask"] = list(mask.shape), flat(mask)
    cases.append(c)


x, y = draw(2, 3, 4), draw(2, 3, 4, low=0, high=1)
case("binary cross-entropy", lambda x: F.binary_cross_entropy_with_logits(x, y), x, y)

x, y = draw(2, 5), draw(2, 5)
case("smooth l1", lambda x: F.smooth_l1_loss(x, y, beta=0.5), x, y)

x, y = draw(2, 6), (torch.arange(12).reshape(2, 6) % 3 == 0).double()


def focal(x):
    ce = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    pt = torch.exp(-ce)
    return ((1 - pt) ** 2 * ce).sum() / y.sum()


case("focal", focal, x, y)

x, y, w = draw(2, 4, 3, low=-1, high=1), draw(2, 4, 3, low=1, high=20), draw(2, 1, 3, low=0.5, high=1)


def giou(x):
    d = torch.exp(x) * 8
    box = lambda s: torch.stack([-s[:, 0], -s[:, 1], s[:, 2], s[:, 3]], 1)
    a, b = box(d), box(y)
    area = lambda v: (v[:, 2] - v[:, 0]) * (v[:, 3] - v[:, 1])
    inner = area(torch.cat([torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])], 1))
    outer = area(torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], 1))
    union = area(a) + area(b) - inner
    return ((1 - inner / union + (outer - union) / outer) * w[:, 0]).sum() / w.sum()


case("giou", giou, x, y, w)

x, label = draw(6, 3), torch.tensor([0, 1, 0, 2, 1, 0])


def contrastive(x):
    z = F.normalize(x)
    sim = (z @ z.T / 0.2).masked_fill(torch.eye(6, dtype=torch.bool), -math.inf)
    logp = (sim - torch.logsumexp(sim, 1, keepdim=True)).masked_fill(torch.eye(6, dtype=torch.bool), 0)
    same = (label[:, None] == label[None]) & ~torch.eye(6, dtype=torch.bool)
    many = same.sum(1)
    return -((logp * same).sum(1)[many > 0] / many[many > 0]).mean()


case("contrastive", contrastive, x, label)

x = draw(5, 3)
label = torch.tensor([0, 1, 0, 1, 1])


def triplet(x):
    z = F.normalize(x)
    d = ((z[:, None] - z[None]) ** 2).sum(2)
    same = label[:, None] == label[None]
    far = d.masked_fill(~same, -math.inf).max(1).values
    near = d.masked_fill(same, math.inf).min(1).values
    return F.relu(far - near + 0.2).mean()


case("triplet", triplet, x, label)

print(json.dumps(cases))
