#!/usr/bin/env python3
"""Peer measurement: the experiment of `onecycle find-lr && onecycle compare`, written the usual way in PyTorch.

The same bundled images, weights, crops and flips, views, frozen part, schedules, rates, optimizer, seeds and epochs;
the frozen part's outputs are computed once for each (image, view) and kept in memory; with --train-all there is none. Shuffles and crops are drawn by
other generators, so accuracies agree in distribution and not in digits.

Install on Debian 12:  apt-get update && apt-get install -y python3-torch python3-pil
Run:  /usr/bin/python3 torch_experiment.py --data data/cifar10-mini --weights data/weights/mobilenet_v2_0.35_224
Prints one JSON line: final accuracies of each policy, peak memory (that of the parent and of the largest child together).
"""
import argparse, json, math, os, resource
import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from PIL import Image

CHANNELS_LAST = False
TRAIN_ALL = False
SIZE, VIEWS, BATCH, EPOCHS, SEEDS, RANGE_STEPS = 96, 8, 32, 5, 3, 60
HEAD_TIMES, DECAY, SMOOTHING = 10, 1e-4, 0.1
FIRST_TRAINED = 7  # block_6, after the stem, expanded_conv and block_1 to block_5; with --train-all the stem


def rate(policy):
    """The defaults of configs/default.json."""
    return 2e-4 if TRAIN_ALL else {"fixed": 3e-4, "1cycle": 5e-4}[policy]


def first_trained():
    return 0 if TRAIN_ALL else FIRST_TRAINED


def read_images(folder):
    classes = sorted(os.listdir(folder))
    pixels, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            pixels.append(np.asarray(Image.open(os.path.join(folder, name, file)).convert("RGB")))
            labels.append(label)
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(labels), len(classes)


def read_weights(folder):
    model = json.load(open(os.path.join(folder, "model.json")))
    values, at, raw = {}, 0, open(os.path.join(folder, "weights.bin"), "rb").read()
    for entry in model["weightsManifest"][0]["weights"]:
        count = int(np.prod(entry["shape"]))
        values[entry["name"]] = np.frombuffer(raw, np.float32, count, at).reshape(entry["shape"])
        at += 4 * count
    return values


class Conv(torch.nn.Module):
    """A convolution with batch norm folded in, TensorFlow's 'same' padding, and ReLU6 where the network has it."""

    def __init__(self, values, name, norm, stride=1, act=True):
        super().__init__()
        depthwise = f"{name}/depthwise_kernel" in values
        kernel = values[f"{name}/depthwise_kernel" if depthwise else f"{name}/kernel"]
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        gamma, beta, mean, variance = (values[f"{norm}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance"))
        scale = gamma / np.sqrt(variance + 1e-3)
        self.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(kernel * scale[:, None, None, None])))
        self.bias = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(beta - mean * scale)))
        self.stride, self.act, self.groups = stride, act, kernel.shape[0] if depthwise else 1
        self.kernel = kernel.shape[2]

    def forward(self, x):
        if self.stride == 2:
            x = F.pad(x, (0, 1, 0, 1))
        padding = self.kernel // 2 if self.stride == 1 else 0
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return F.relu6(x) if self.act else x


class Block(torch.nn.Module):
    def __init__(self, values, name, stride, expand):
        super().__init__()
        parts = [Conv(values, f"{name}_expand", f"{name}_expand_BN")] if expand else []
        parts.append(Conv(values, f"{name}_depthwise", f"{name}_depthwise_BN", stride))
        parts.append(Conv(values, f"{name}_project", f"{name}_project_BN", act=False))
        self.body = torch.nn.Sequential(*parts)
        self.residual = stride == 1 and parts[0].weight.shape[1 if expand else 0] == parts[-1].weight.shape[0]

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def backbone(values):
    blocks = [Conv(values, "Conv1", "bn_Conv1", 2), Block(values, "expanded_conv", 1, False)]
    blocks += [Block(values, f"block_{i}", 2 if i in (1, 3, 6, 13) else 1, True) for i in range(1, 17)]
    return blocks + [Conv(values, "Conv_1", "Conv_1_bn")]


def laid_out(x):
    """A tensor or network in the memory format that --channels-last asks for."""
    return x.to(memory_format=torch.channels_last) if CHANNELS_LAST else x


class Trained(torch.nn.Module):
    def __init__(self, values, classes, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.body = torch.nn.Sequential(*backbone(values)[first_trained():])
        self.head = torch.nn.Linear(1280, classes)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

    def optimizer(self, lr, momentum):
        def group(parameters, times):
            weights = [p for p in parameters if p.dim() > 1]
            biases = [p for p in parameters if p.dim() == 1]
            return [{"params": weights, "lr": lr * times, "weight_decay": DECAY},
                    {"params": biases, "lr": lr * times, "weight_decay": 0}]
        groups = group(list(self.body.parameters()), 1) + group(list(self.head.parameters()), HEAD_TIMES)
        return torch.optim.SGD(groups, lr, momentum, foreach=True)


def view_box(image, view):
    """Top, left, height, width and mirroring of one view of a 32 x 32 image."""
    random = np.random.RandomState((image * 31 + view) % 2 ** 31)
    mirrored = random.rand() < 0.5
    for _ in range(10):
        area, ratio = 1024 * random.uniform(0.5, 1), math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= 32 and 0 < height <= 32:
            return random.randint(33 - height), random.randint(33 - width), height, width, mirrored
    return 0, 0, 32, 32, mirrored


def network_input(images, boxes):
    """Crops, mirrors and resizes: one bilinear grid for the whole batch, corners on pixel centres."""
    box = torch.tensor([[top, left, height, width, -1.0 if mirrored else 1.0] for top, left, height, width, mirrored in boxes])
    theta = torch.zeros(len(boxes), 2, 3)
    theta[:, 0, 0] = (box[:, 3] - 1) / 31 * box[:, 4]
    theta[:, 1, 1] = (box[:, 2] - 1) / 31
    theta[:, 0, 2] = (2 * box[:, 1] + box[:, 3] - 1) / 31 - 1
    theta[:, 1, 2] = (2 * box[:, 0] + box[:, 2] - 1) / 31 - 1
    grid = F.affine_grid(theta, (len(boxes), 3, SIZE, SIZE), align_corners=True)
    return F.grid_sample(images.float() / 127.5 - 1, grid, align_corners=True)


def compute_features(frozen, images, valid, train_features, valid_features, part, parts):
    if TRAIN_ALL:
        return
    with torch.no_grad():
        chunks = [(view, at) for view in range(VIEWS) for at in range(0, len(images), 40)][part::parts]
        for view, at in chunks:
            some = images[at:at + 40]
            boxes = [view_box(at + i, view) for i in range(len(some))]
            train_features[view, at:at + 40] = frozen(laid_out(network_input(some, boxes)))
        for at in list(range(0, len(valid), 40))[part::parts]:
            some = valid[at:at + 40]
            valid_features[at:at + 40] = frozen(laid_out(network_input(some, [(0, 0, 32, 32, False)] * len(some))))


def batches(features, labels, seed, epoch):
    n = len(labels)
    random = np.random.RandomState(1000 * seed + epoch)
    shift = np.random.RandomState(seed).randint(VIEWS, size=n)
    order = random.permutation(n)
    for at in range(0, n, BATCH):
        some = torch.from_numpy(order[at:at + BATCH])
        if TRAIN_ALL:
            boxes = [view_box(image, 1000 * seed + epoch) for image in some.tolist()]
            yield laid_out(network_input(features[some], boxes)), labels[some]
            continue
        yield laid_out(features[torch.from_numpy((epoch + shift[order[at:at + BATCH]]) % VIEWS), some]), labels[some]


def step(net, optimizer, x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(net(x), y, label_smoothing=SMOOTHING)
    loss.backward()
    optimizer.step()
    return loss.item()


def range_test(values, classes, data, seed):
    train_features, train_labels, _, _ = data
    net = laid_out(Trained(values, classes, seed))
    optimizer = net.optimizer(1e-7, 0.9)
    rates, losses, smoothed, average, epoch = [], [], [], 0.0, 0
    while True:
        epoch += 1
        for x, y in batches(train_features, train_labels, seed, epoch):
            k = len(rates)
            swept = 1e-7 * 1e8 ** (k / (RANGE_STEPS - 1))
            for i, group in enumerate(optimizer.param_groups):
                group["lr"] = swept * (HEAD_TIMES if i >= 2 else 1)
            losses.append(step(net, optimizer, x, y))
            rates.append(swept)
            average = 0.98 * average + 0.02 * losses[-1]
            smoothed.append(average / (1 - 0.98 ** (k + 1)))
            if k + 1 == RANGE_STEPS or not smoothed[-1] <= 4 * min(smoothed):
                steepest = int(np.argmin(np.gradient(smoothed))) if len(smoothed) > 2 else 0
                return {"seed": seed, "steps": k + 1, "steepest": rates[steepest]}


def train(values, classes, data, policy, seed):
    train_features, train_labels, valid_features, valid_labels = data
    net = laid_out(Trained(values, classes, seed))
    optimizer = net.optimizer(rate(policy), 0.9)
    per_epoch = math.ceil(len(train_labels) / BATCH)
    total = EPOCHS * per_epoch
    if policy == "1cycle":
        maxima = [group["lr"] for group in optimizer.param_groups]
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, maxima, total)
    else:
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [round(total / 3), round(2 * total / 3)])
    for epoch in range(1, EPOCHS + 1):
        for x, y in batches(train_features, train_labels, seed, epoch):
            step(net, optimizer, x, y)
            schedule.step()
        with torch.no_grad():
            logits = torch.cat([net(laid_out(valid_features[at:at + 64])) for at in range(0, len(valid_labels), 64)])
            F.cross_entropy(logits, valid_labels).item()
            accuracy = (logits.argmax(1) == valid_labels).float().mean().item()
    return {"policy": policy, "seed": seed, "accuracy": accuracy}


def worker(part, parts, threads, shared, counter, barrier, results):
    torch.set_num_threads(threads)
    values, classes, images, valid, data = shared
    frozen = laid_out(torch.nn.Sequential(*backbone(values)[:first_trained()]))
    compute_features(frozen, images, valid, data[0], data[2], part, parts)
    barrier.wait()
    tasks = [("range", seed) for seed in range(SEEDS)]
    tasks += [(policy, seed) for seed in range(SEEDS) for policy in ("fixed", "1cycle")]
    while True:
        with counter.get_lock():
            at = counter.value
            counter.value += 1
        if at >= len(tasks):
            return
        kind, seed = tasks[at]
        made = range_test(values, classes, data, seed) if kind == "range" else train(values, classes, data, kind, seed)
        results.put(made)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", required=True)
    p.add_argument("--weights", required=True)
    p.add_argument("--processes", type=int, default=2)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--channels-last", action="store_true")
    p.add_argument("--train-all", action="store_true", help="every weight, from fresh crops at every epoch")
    a = p.parse_args()
    global CHANNELS_LAST, TRAIN_ALL
    CHANNELS_LAST, TRAIN_ALL = a.channels_last, a.train_all
    values = read_weights(a.weights)
    images, labels, classes = read_images(os.path.join(a.data, "train"))
    valid, valid_labels, _ = read_images(os.path.join(a.data, "val"))
    channels = values["block_5_project/kernel"].shape[3]
    shape = (channels, SIZE // 8, SIZE // 8)
    if TRAIN_ALL:
        whole = network_input(valid, [(0, 0, 32, 32, False)] * len(valid))
        data = (images.share_memory_(), labels, whole.share_memory_(), valid_labels)
    else:
        data = (torch.empty(VIEWS, len(images), *shape).share_memory_(), labels,
                torch.empty(len(valid), *shape).share_memory_(), valid_labels)
    context = mp.get_context("fork")
    counter, barrier, results = context.Value("i", 0), context.Barrier(a.processes), context.Queue()
    shared = (values, classes, images, valid, data)
    rest = [context.Process(target=worker, args=(part, a.processes, a.threads, shared, counter, barrier, results))
            for part in range(1, a.processes)]
    for process in rest:
        process.start()
    worker(0, a.processes, a.threads, shared, counter, barrier, results)
    made = [results.get() for _ in range(3 * SEEDS)]
    for process in rest:
        process.join()
    finals = {policy: sorted((r["seed"], r["accuracy"]) for r in made if r.get("policy") == policy) for policy in ("fixed", "1cycle")}
    accuracies = {policy: [accuracy for _, accuracy in runs] for policy, runs in finals.items()}
    differences = np.subtract(accuracies["1cycle"], accuracies["fixed"])
    megabytes = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    print(json.dumps({
        "engine": f"torch {torch.__version__} cpu", "processes": a.processes, "threads": a.threads,
        "accuracies": accuracies, "difference": {"mean": float(differences.mean()), "sd": float(differences.std(ddof=1))},
        "steepest": [r["steepest"] for r in made if "steepest" in r], "peakMegabytes": megabytes}))


main()
