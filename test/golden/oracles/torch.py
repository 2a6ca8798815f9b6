"""Writes sgd.json, cross-entropy.json and batch-norm.json: what PyTorch makes of random numbers.

    cd test/golden/oracles && python3 torch.py        (written with torch 1.13)
"""

import json
import sys

# This file's own folder comes first in the search path, and its name would win over the package's.
sys.path.pop(0)
import torch
import torch.nn.functional as F

torch.manual_seed(0)


def write(name, document):
    with open(name, 'w') as file:
        json.dump({'source': f'torch {torch.__version__}, written by torch.py', **document}, file, indent=1)


def sgd(weight_decay=0.02, head_factor=10.0):
    """torch.optim.SGD: decay on kernels alone, the head at ten times the rate, momentum cycled."""
    sizes = {'stem/kernel': 6, 'stem/bias': 3, 'head/kernel': 4, 'head/bias': 2}
    weights = {name: torch.randn(size, requires_grad=True) for name, size in sizes.items()}
    initial = {name: weight.tolist() for name, weight in weights.items()}
    optimizer = torch.optim.SGD(
        [
            {
                'params': [weight],
                'weight_decay': 0.0 if name.endswith('bias') else weight_decay,
                'factor': head_factor if name.startswith('head') else 1.0,
            }
            for name, weight in weights.items()
        ],
        lr=1.0,
    )
    steps = []
    for rate, momentum in [(0.01, 0.95), (0.05, 0.9), (0.1, 0.85), (0.06, 0.87), (0.02, 0.92), (1e-4, 0.95)]:
        for group in optimizer.param_groups:
            group['lr'], group['momentum'] = rate * group['factor'], momentum
        for weight in weights.values():
            weight.grad = torch.randn(len(weight))
        optimizer.step()
        steps.append({
            'learningRate': rate,
            'momentum': momentum,
            'gradients': {name: weight.grad.tolist() for name, weight in weights.items()},
            'weights': {name: weight.tolist() for name, weight in weights.items()},
            'velocities': {
                name: optimizer.state[weight]['momentum_buffer'].tolist() for name, weight in weights.items()
            },
        })
    return {'weightDecay': weight_decay, 'headLrMultiplier': head_factor, 'initial': initial, 'steps': steps}


def cross_entropy():
    """F.cross_entropy with label smoothing and its gradient, logits row by row."""
    cases = []
    for images, classes, smoothing in [(4, 3, 0.1), (5, 10, 0.1), (3, 2, 0.0), (2, 7, 0.4)]:
        logits = (torch.randn(images, classes) * 5).requires_grad_()
        labels = torch.randint(classes, (images,))
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        cases.append({
            'smoothing': smoothing,
            'classes': classes,
            'logits': logits.detach().flatten().tolist(),
            'labels': labels.tolist(),
            'loss': loss.item(),
            'gradient': logits.grad.flatten().tolist(),
        })
    return {'cases': cases}


def same(x, filter, stride, groups):
    """A convolution with TensorFlow's 'same' padding: the odd zero after the image."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + filter.shape[2] - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), filter, stride=stride, groups=groups)


def batch_norm(image_size=9, images=6, classes=3, epsilon=1e-3, kept=0.8, smoothing=0.1):
    """Three steps of a small network with F.batch_norm in training mode (that of BatchNorm2d), and then its logits in evaluation.

    Names, shapes and the order of values are those of the program: NHWC, filters [kh, kw, in, out] or [kh, kw, channels, 1].
    Weight decay is on kernels alone, the head at ten times the rate, momentum as in sgd().
    """
    units = [
        {'name': 'stem', 'kind': 'conv', 'stride': 2, 'relu6': True, 'filterShape': [3, 3, 3, 6]},
        {'name': 'expand', 'kind': 'conv', 'stride': 1, 'relu6': True, 'filterShape': [1, 1, 6, 12]},
        {'name': 'depthwise', 'kind': 'depthwise', 'stride': 1, 'relu6': True, 'filterShape': [3, 3, 12, 1]},
        {'name': 'project', 'kind': 'conv', 'stride': 1, 'relu6': False, 'filterShape': [1, 1, 12, 6]},
        {'name': 'last', 'kind': 'conv', 'stride': 1, 'relu6': True, 'filterShape': [1, 1, 6, 8]},
    ]
    weights, statistics = {}, {}
    for unit in units:
        name, shape = unit['name'], unit['filterShape']
        channels = shape[3] if unit['kind'] == 'conv' else shape[2]
        fan_in = shape[0] * shape[1] * (shape[2] if unit['kind'] == 'conv' else 1)
        weights[f'{name}/kernel'] = torch.randn(shape) * (2 / fan_in) ** 0.5
        weights[f'{name}/gamma'] = 1 + 2 * torch.rand(channels)
        weights[f'{name}/beta'] = 1 + torch.randn(channels)
        statistics[f'{name}/mean'] = torch.randn(channels)
        statistics[f'{name}/variance'] = 0.5 + torch.rand(channels)
    weights['head/kernel'] = torch.randn(8, classes) / 8 ** 0.5
    weights['head/bias'] = torch.zeros(classes)
    for weight in weights.values():
        weight.requires_grad_()
    initial = {name: values.detach().flatten().tolist() for name, values in {**weights, **statistics}.items()}

    def logits_of(x, training):
        outputs = []
        x = x.permute(0, 3, 1, 2)
        for unit in units:
            name, depthwise = unit['name'], unit['kind'] == 'depthwise'
            if name == 'expand':
                start = x
            filter = weights[f'{name}/kernel'].permute(*((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)))
            z = same(x, filter, unit['stride'], x.shape[1] if depthwise else 1)
            x = F.batch_norm(
                z,
                statistics[f'{name}/mean'],
                statistics[f'{name}/variance'],
                weights[f'{name}/gamma'],
                weights[f'{name}/beta'],
                training=training,
                momentum=1 - kept,
                eps=epsilon,
            )
            if unit['relu6']:
                x = F.relu6(x)
                outputs.append(x)
            if name == 'project':
                x = x + start
        every = torch.cat([output.flatten() for output in outputs])
        for end in (0, 6):
            assert (every == end).any(), f'no output reaches {end}'
        return x.mean((2, 3)) @ weights['head/kernel'] + weights['head/bias']

    optimizer = torch.optim.SGD(
        [
            {
                'params': [weight],
                'weight_decay': 0.02 if name.endswith('kernel') else 0.0,
                'factor': 10.0 if name.startswith('head') else 1.0,
            }
            for name, weight in weights.items()
        ],
        lr=1.0,
    )
    # Sixteenths: exact in few digits.
    draw = lambda: torch.randint(-16, 17, (images, image_size, image_size, 3)) / 16
    steps = []
    for rate, momentum in [(0.01, 0.95), (0.02, 0.9), (0.01, 0.85)]:
        x, labels = draw(), torch.randint(classes, (images,))
        for group in optimizer.param_groups:
            group['lr'], group['momentum'] = rate * group['factor'], momentum
        optimizer.zero_grad()
        logits = logits_of(x, True)
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        loss.backward()
        optimizer.step()
        flat = lambda tensors: {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()}
        steps.append({
            'images': x.flatten().tolist(),
            'labels': labels.tolist(),
            'learningRate': rate,
            'momentum': momentum,
            'loss': loss.item(),
            'gradients': flat({name: weight.grad for name, weight in weights.items()}),
            'weights': flat(weights),
            'velocities': flat({name: optimizer.state[weight]['momentum_buffer'] for name, weight in weights.items()}),
            'statistics': flat(statistics),
        })
    judged = draw()
    with torch.no_grad():
        evaluated = logits_of(judged, False)
    return {
        'imageSize': image_size,
        'labelSmoothing': smoothing,
        'weightDecay': 0.02,
        'headLrMultiplier': 10.0,
        'epsilon': epsilon,
        'momentum': kept,
        # Expand, depthwise and project are a block whose input is added to its output.
        'units': units,
        'initial': initial,
        'steps': steps,
        'evaluated': {'images': judged.flatten().tolist(), 'logits': evaluated.flatten().tolist()},
    }


write('sgd.json', sgd())
write('cross-entropy.json', cross_entropy())
write('batch-norm-small.json', batch_norm())
