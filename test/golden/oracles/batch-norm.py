"""Writes batch-norm.json: three training steps of a small MobileNet V2 with torch.nn.BatchNorm2d in training mode.

    cd test/golden/oracles && python3 batch-norm.py        (written with torch 1.13)

Weights and images are no random numbers but those of `spread`, so that a reader makes them again. Layout as in the program: images
NHWC, kernels [height, width, in, out], depthwise ones [height, width, channels, 1].
"""

import json
import math
import sys

# This file's own folder comes first in the search path, and torch.py there would win over the package.
sys.path.pop(0)
import torch
import torch.nn.functional as F
from torch import nn

SIZE, CLASSES, EPSILON, MOMENTUM = 17, 3, 1e-3, 0.9
RATE, SGD_MOMENTUM, WEIGHT_DECAY, HEAD_FACTOR, SMOOTHING = 0.01, 0.9, 1e-2, 10, 0.1
BATCHES = [8, 8, 5]

# Name, channels in and out, window, stride, depthwise, ReLU6; a block's input is added after the units named in RESIDUAL.
UNITS = [
    ('stem/conv', 3, 6, 3, 2, False, True),
    ('a/expand', 6, 12, 1, 1, False, True),
    ('a/depthwise', 12, 12, 3, 1, True, True),
    ('a/project', 12, 6, 1, 1, False, False),
    ('b/expand', 6, 12, 1, 1, False, True),
    ('b/depthwise', 12, 12, 3, 2, True, True),
    ('b/project', 12, 10, 1, 1, False, False),
    ('c/expand', 10, 20, 1, 1, False, True),
    ('c/depthwise', 20, 20, 3, 1, True, True),
    ('c/project', 20, 10, 1, 1, False, False),
    ('last/conv', 10, 14, 1, 1, False, True),
]
RESIDUAL = {'a/expand': 'a/project', 'c/expand': 'c/project'}


def spread(shape, low, high, phase):
    """Values in [low, high) that depend on nothing but their place (a Weyl sequence)."""
    count = math.prod(shape)
    values = [low + (high - low) * (((i + phase) * 0.6180339887) % 1) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).float().reshape(shape)


class Unit(nn.Module):
    def __init__(self, number, name, inputs, outputs, window, stride, depthwise, relu6):
        super().__init__()
        self.window, self.stride, self.relu6 = window, stride, relu6
        self.conv = nn.Conv2d(inputs, outputs, window, stride, bias=False, groups=inputs if depthwise else 1)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=1 - MOMENTUM)
        fan_in = window * window * (1 if depthwise else inputs)
        shape = (window, window, inputs, 1 if depthwise else outputs)
        kernel = spread(shape, -1.5 / math.sqrt(fan_in), 1.5 / math.sqrt(fan_in), 100 * number)
        # [height, width, channels, 1] becomes [channels, 1, height, width] where depthwise, else [out, in, height, width].
        self.order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        with torch.no_grad():
            self.conv.weight.copy_(kernel.permute(self.order))
            self.norm.weight.copy_(spread((outputs,), 0.5, 2.5, 100 * number + 1))
            self.norm.bias.copy_(spread((outputs,), -0.5, 3, 100 * number + 2))
            self.norm.running_mean.copy_(spread((outputs,), -0.5, 0.5, 100 * number + 3))
            self.norm.running_var.copy_(spread((outputs,), 0.5, 2, 100 * number + 4))

    def forward(self, x):
        size = x.shape[-1]
        missing = max(0, (math.ceil(size / self.stride) - 1) * self.stride + self.window - size)
        before, after = missing // 2, missing - missing // 2
        x = self.norm(self.conv(F.pad(x, (before, after, before, after))))
        return F.relu6(x) if self.relu6 else x

    def of_kernel(self, values):
        return values.permute([self.order.index(axis) for axis in range(4)])


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.units = nn.ModuleDict({name.replace('/', '_'): Unit(i, name, *rest) for i, (name, *rest) in enumerate(UNITS)})
        features = UNITS[-1][2]
        self.head = nn.Linear(features, CLASSES)
        with torch.no_grad():
            self.head.weight.copy_(spread((features, CLASSES), -1, 1, 5000).T)
            self.head.bias.copy_(spread((CLASSES,), -1, 1, 5001))

    def forward(self, x):
        held = {}
        for name, *_ in UNITS:
            if name in RESIDUAL:
                held[RESIDUAL[name]] = x
            x = self.units[name.replace('/', '_')](x)
            if name in held:
                x = x + held[name]
        return self.head(x.mean((2, 3)))

    def parts(self):
        """Each parameter by name, with how its values are laid out in the program."""
        for name, *_ in UNITS:
            unit = self.units[name.replace('/', '_')]
            yield f'{name}/kernel', unit.conv.weight, unit.of_kernel
            yield f'{name}/gamma', unit.norm.weight, lambda values: values
            yield f'{name}/beta', unit.norm.bias, lambda values: values
        yield 'head/kernel', self.head.weight, lambda values: values.T
        yield 'head/bias', self.head.bias, lambda values: values

    def statistics(self):
        for name, *_ in UNITS:
            norm = self.units[name.replace('/', '_')].norm
            yield f'{name}/mean', norm.running_mean
            yield f'{name}/variance', norm.running_var


def images(count, phase):
    return spread((count, SIZE, SIZE, 3), -1, 1, phase).permute(0, 3, 1, 2)


def numbers(values):
    return [float(f'{value:.8g}') for value in values.detach().flatten().tolist()]


network = Network()
optimizer = torch.optim.SGD(
    [
        {
            'params': [parameter],
            'lr': RATE * (HEAD_FACTOR if name.startswith('head/') else 1),
            'weight_decay': WEIGHT_DECAY if name.endswith('/kernel') else 0.0,
        }
        for name, parameter, _ in network.parts()
    ],
    lr=RATE,
    momentum=SGD_MOMENTUM,
)
losses, gradients = [], {}
for step, count in enumerate(BATCHES):
    optimizer.zero_grad()
    labels = torch.tensor([(i + step) % CLASSES for i in range(count)])
    loss = F.cross_entropy(network(images(count, 1000 * step)), labels, label_smoothing=SMOOTHING)
    loss.backward()
    if step == 0:
        gradients = {name: numbers(layout(parameter.grad)) for name, parameter, layout in network.parts()}
    optimizer.step()
    losses.append(loss.item())
network.eval()
document = {
    'source': f'torch {torch.__version__}, written by batch-norm.py',
    'size': SIZE,
    'batches': BATCHES,
    'rates': {'learningRate': RATE, 'momentum': SGD_MOMENTUM},
    'losses': losses,
    'firstGradients': gradients,
    'weights': {name: numbers(layout(parameter)) for name, parameter, layout in network.parts()},
    'statistics': {name: numbers(values) for name, values in network.statistics()},
    'logits': numbers(network(images(4, 9000))),
}
with open('batch-norm.json', 'w') as file:
    json.dump(document, file)
    file.write('\n')
