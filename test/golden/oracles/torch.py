"""Writes sgd.json and cross-entropy.json: what PyTorch makes of random numbers.

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
        plain = logits.grad.flatten().tolist()
        # A generator of its own: the cases stay those of earlier versions.
        weights = torch.rand(classes, generator=torch.Generator().manual_seed(classes)) * 4 + 0.2

        def with_gradient(value):
            logits.grad = None
            value.backward()
            return {'loss': value.item(), 'gradient': logits.grad.flatten().tolist()}

        each = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction='none')
        weighted = with_gradient((each * weights[labels]).sum() / weights[labels].sum())
        own = with_gradient(F.cross_entropy(logits, labels, weight=weights)) if smoothing == 0 else None
        cases.append({
            'smoothing': smoothing,
            'classes': classes,
            'logits': logits.detach().flatten().tolist(),
            'labels': labels.tolist(),
            'loss': loss.item(),
            'gradient': plain,
            'weights': weights.tolist(),
            'weightedLoss': weighted['loss'],
            'weightedGradient': weighted['gradient'],
            'torchWeight': own,
        })
    return {'cases': cases}


write('sgd.json', sgd())
write('cross-entropy.json', cross_entropy())
