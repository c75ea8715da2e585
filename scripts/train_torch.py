#!/usr/bin/env python3
"""Time one SGD step of a network with PyTorch, as "ocellus bench NET --train" does: forward, cross-entropy, backward, update.

    train_torch.py NET [--batch N] [--threads N] [--runs N]

prints {"net":..., "median_ms":..., "min_ms":...}. The networks are those of model/zoo/arch. Needs PyTorch (Debian: python3-torch).
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn


class LRN(nn.LocalResponseNorm):
    def __init__(self):
        super().__init__(5, alpha=1e-4, beta=0.75, k=2)


class Residual(nn.Module):
    def __init__(self, body, short=None, relu=False):
        super().__init__()
        self.body, self.short, self.relu = body, short or nn.Identity(), relu

    def forward(self, x):
        y = self.body(x) + self.short(x)
        return torch.relu(y) if self.relu else y


class LCN(nn.Module):
    """Local contrast normalisation over all channels with a Gaussian window (Jarrett et al., ICCV 2009)."""

    def __init__(self, channels, size=5, sigma=1.25, floor=0.1):
        super().__init__()
        d = torch.arange(size) - size // 2
        g = torch.exp(-d**2 / (2 * sigma**2))
        w = g[:, None] * g[None, :]
        self.size, self.floor = size, floor
        self.register_buffer("w", (w / w.sum())[None, None])

    def blur(self, x):
        mean = x.mean(1, keepdim=True)
        one = torch.ones_like(mean[:1])
        pad = self.size // 2
        return nn.functional.conv2d(mean, self.w, padding=pad) / nn.functional.conv2d(one, self.w, padding=pad)

    def forward(self, x):
        v = x - self.blur(x)
        s = torch.sqrt(self.blur(v * v))
        mean = s.mean((2, 3), keepdim=True)
        return v / torch.clamp(torch.maximum(s, mean), min=self.floor)


def conv_bn(c, o, k=1, s=1, g=1, act=None):
    layers = [nn.Conv2d(c, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act] if act else []))


def digits_convnet():
    layers, c = [], 1
    for o in (32, 64):
        layers += [nn.Conv2d(c, o, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), LCN(o)]
        c = o
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)), (1, 28, 28), 10


def resnet18():
    layers, c = [conv_bn(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)], 64
    for stage, o in enumerate((64, 128, 256, 512)):
        for block in range(2):
            s = 2 if stage > 0 and block == 0 else 1
            short = conv_bn(c, o, 1, s) if s != 1 else None
            layers.append(Residual(nn.Sequential(conv_bn(c, o, 3, s, act=nn.ReLU()), conv_bn(o, o, 3)), short, relu=True))
            c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)), (3, 224, 224), 1000


def mobilenet_v2():
    layers, c = [conv_bn(3, 32, 3, 2, act=nn.ReLU6())], 32
    for t, o, n, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(n):
            s, wide = stride if i == 0 else 1, t * c
            body = [conv_bn(c, wide, act=nn.ReLU6())] if t > 1 else []
            body += [conv_bn(wide, wide, 3, s, wide, nn.ReLU6()), conv_bn(wide, o)]
            layers.append(Residual(nn.Sequential(*body)) if s == 1 and c == o else nn.Sequential(*body))
            c = o
    layers += [conv_bn(320, 1280, act=nn.ReLU6()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers), (3, 224, 224), 1000


def alexnet():
    layers = [
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), LRN(), nn.MaxPool2d(3, 2), nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), LRN(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000),
    ]
    return nn.Sequential(*layers), (3, 227, 227), 1000


def mobilenet_v2_head():
    """A fully connected layer on 1,280 cached features."""
    return nn.Linear(1280, 1000), (1280,), 1000


NETS = {f.__name__: f for f in (digits_convnet, resnet18, mobilenet_v2, alexnet, mobilenet_v2_head)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=sorted(NETS))
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--runs", type=int, default=20)
    p.add_argument("--channels-last", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    net, shape, classes = NETS[a.net]()
    net.train()
    x, y = torch.randn(a.batch, *shape), torch.arange(a.batch) % classes
    if a.channels_last and x.dim() == 4:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    times = []
    for i in range(a.runs + 3):
        begin = time.perf_counter()
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
        times.append(1000 * (time.perf_counter() - begin))
    times = times[3:]
    print(json.dumps({"net": a.net, "batch": a.batch, "threads": a.threads, "median_ms": statistics.median(times), "min_ms": min(times)}))


main()
