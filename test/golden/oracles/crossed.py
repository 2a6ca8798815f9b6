"""The crossed interval of a comparison, recomputed with numpy and SciPy (Debian's python3-scipy).

    cd test/golden/oracles && python3 crossed.py            writes crossed.json and balanced.json
    python3 crossed.py COMPARISON.json RUN...               reads the folders of runs, and fails where the intervals
                                                            in the document of `onecycle compare RUN... --json` differ

Shares no step with the program up to the mean squares: here they are residual sums of squares of linear models fitted
by least squares, there sums of whole numbers.
"""

import json
import pathlib
import re
import sys

import numpy as np
import scipy
from scipy import stats

CONFIDENCE = 0.95


def residual_squares(table, by_seed, by_image):
    """The sum of squares that a linear model with an effect of each seed, each image or both leaves."""
    seeds, images = table.shape
    columns = [np.ones((seeds, images))]
    if by_seed:
        columns += [np.repeat(row[:, None], images, axis=1) for row in np.eye(seeds)[1:]]
    if by_image:
        columns += [np.repeat(row[None, :], seeds, axis=0) for row in np.eye(images)[1:]]
    design = np.stack([column.ravel() for column in columns], axis=1)
    answer = np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
    return np.sum((table.ravel() - design @ answer) ** 2)


def mean_squares(table):
    seeds, images = table.shape
    both = residual_squares(table, True, True)
    of_seeds = residual_squares(table, False, True) - both
    of_images = residual_squares(table, True, False) - both
    degrees = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)])
    squares = np.array([of_seeds, of_images, both]) / degrees
    # Least squares leave 1e-30 where nothing is left.
    return np.where(squares < 1e-12, 0.0, squares), degrees


def t_quantile(df):
    """t.ppf of SciPy 1.10 is right to 1e-8 only; its tail and density are better, and Newton's steps follow them."""
    tail = (1 - CONFIDENCE) / 2
    t = stats.t.ppf(1 - tail, df)
    for _ in range(3):
        t += (stats.t.sf(t, df) - tail) / stats.t.pdf(t, df)
    return t


def crossed(table):
    """mean, low, high, p, degrees of freedom and shares of variance of a table of seeds by images."""
    table = np.asarray(table, dtype=float)
    seeds, images = table.shape
    mean = float(table.mean())
    squares, degrees = mean_squares(table)
    alike = squares[0] == 0 and squares[2] == 0
    sign_flip = (1.0 if mean == 0 else 2.0 / 2**seeds) if alike else 0.0
    if alike and seeds < 6:
        return {'mean': mean, 'low': None, 'high': None, 'pValue': sign_flip, 'degreesOfFreedom': None,
                'varianceShares': None, 'method': 'sign flip'}

    # An image for each arm joins: as large as those that differ, shrunk by what would come again.
    effects = table.mean(axis=0)
    differing = effects[np.abs(effects) > 1e-12]
    if differing.size == 0:
        joining = 1.0
    elif squares[1] > 0:
        joining = max(0.0, 1 - squares[2] / squares[1]) * np.sqrt(np.mean(differing**2))
    else:
        joining = np.sqrt(np.mean(differing**2)) if squares[2] == 0 else 0.0
    squares = squares + np.array([0, 2 * seeds * joining**2 / (images - 1), 0])

    sum_of_squares = max(squares[0] + squares[1] - squares[2], 0.4 * max(squares[0], squares[1])) or squares[2]
    weights = (squares / sum_of_squares) ** np.minimum(1, degrees / 2)
    df = float(1 / np.sum(weights / degrees))
    error = np.sqrt(sum_of_squares / (seeds * images))
    half = t_quantile(df) * error
    p = max(sign_flip, 2 * stats.t.sf(abs(mean) / error, df))
    parts = np.array([max(0, squares[0] - squares[2]), max(0, squares[1] - squares[2]), squares[2]])
    shares = np.where(parts < 1e-12 * parts.sum(), 0.0, parts) / parts.sum()
    return {'mean': mean, 'low': max(-1.0, mean - half), 'high': min(1.0, mean + half), 'pValue': p, 'degreesOfFreedom': df,
            'varianceShares': {'seeds': shares[0], 'images': shares[1], 'residual': shares[2]}, 'method': 'crossed'}


def balanced(table, labels, borrowed=4):
    """The same for balanced accuracies: classes are strata of equal weight."""
    table, labels = np.asarray(table, dtype=float), np.asarray(labels)
    seeds, images = table.shape
    groups = [table[:, labels == label] for label in np.unique(labels)]
    sizes = np.array([group.shape[1] for group in groups])
    scores = np.mean([group.mean(axis=1) for group in groups], axis=0)
    mean = float(scores.mean())
    degrees = sizes - 1
    own = np.array([mean_squares(group)[0][1:] if group.shape[1] > 1 else [0, 0] for group in groups])
    pooled = degrees @ own / degrees.sum()
    held = (degrees[:, None] * own + borrowed * pooled) / (degrees[:, None] + borrowed)
    # Variances of the mean by their sources; those of images and single answers add up over classes.
    of_seeds = np.var(scores, ddof=1) / seeds
    parts = held / (sizes[:, None] * seeds * len(groups) ** 2)
    of_images, of_answers = parts.sum(axis=0)
    df_of_classes = np.minimum(degrees.sum(), degrees + borrowed)
    df_of_images = of_images / np.sum(parts[:, 0] / df_of_classes) if of_images > 0 else degrees.sum()

    effects = np.concatenate([group.mean(axis=0) for group in groups])
    differing = effects[np.abs(effects) > 1e-12]
    weights = np.concatenate([np.full(size, 1 / (size * len(groups))) for size in sizes])
    joining = 2 * np.mean(weights**2) * images / (images - 1)
    if differing.size > 0:
        repeated = max(0.0, 1 - of_answers / of_images) if of_images > 0 else float(of_answers == 0)
        joining *= np.mean(differing**2) * repeated**2
    of_images += joining

    total = max(of_seeds + of_images - of_answers, 0.4 * max(of_seeds, of_images)) or of_answers
    sources = np.array([of_seeds, of_images, of_answers])
    df_of_sources = np.array([seeds - 1, df_of_images, (seeds - 1) * df_of_images])
    df = float(1 / np.sum((sources / total) ** np.minimum(1, df_of_sources / 2) / df_of_sources))
    half = t_quantile(df) * np.sqrt(total)
    shares = np.array([max(0, of_seeds - of_answers), max(0, of_images - of_answers), of_answers])
    shares = np.where(shares < 1e-12 * shares.sum(), 0.0, shares) / shares.sum()
    return {'mean': mean, 'low': max(-1.0, mean - half), 'high': min(1.0, mean + half),
            'pValue': 2 * stats.t.sf(abs(mean) / np.sqrt(total), df), 'degreesOfFreedom': df,
            'varianceShares': {'seeds': shares[0], 'images': shares[1], 'residual': shares[2]}}


def write_balanced():
    random = np.random.default_rng(2027)
    cases = []
    for seeds, sizes, spread, lead in [(3, [60, 6], 0.4, 0.0), (5, [40, 12, 4], 0.2, 0.5), (2, [20, 20, 20], 0.3, 0.0),
                                       (10, [50, 25, 10, 5, 1], 0.5, 1.0), (4, [9, 3], 0.0, 0.0)]:
        labels = np.repeat(np.arange(len(sizes)), sizes)
        random.shuffle(labels)
        difficulty = random.normal(1.5, 2, len(labels))

        def arm(lead):
            luck = random.normal(0, 1, (seeds, len(sizes)))[:, labels] * spread
            return (random.random((seeds, len(labels))) < 1 / (1 + np.exp(-(difficulty + luck + lead)))).astype(int)

        table = arm(lead) - arm(0)
        cases.append({'name': f'{seeds} seeds, classes of {sizes}', 'rows': table.tolist(), 'labels': labels.tolist(),
                      **balanced(table, labels)})
    document = {'source': f'numpy {np.__version__} and scipy {scipy.__version__}, written by crossed.py', 'cases': cases}
    pathlib.Path('balanced.json').write_text(json.dumps(document) + '\n')


def write_oracle():
    write_balanced()
    random = np.random.default_rng(2026)

    def answers(seeds, images, seed_spread, image_spread, advantage):
        """Differences of two arms with luck of their own, on images that are easy or hard."""
        difficulty = random.normal(2, 2, images)
        suits = random.normal(0, image_spread, images) if image_spread else 0

        def arm(lead, sign):
            luck = random.normal(0, 1, seeds)[:, None] * seed_spread
            chance = 1 / (1 + np.exp(-(difficulty + luck + lead + sign * suits / 2)))
            return (random.random((seeds, images)) < chance).astype(int)

        return arm(advantage, 1) - arm(0, -1)

    cases = []

    def case(name, table):
        table = np.asarray(table, dtype=int)
        answer = {key: value for key, value in crossed(table).items()}
        cases.append({'name': name, 'rows': table.tolist(), **answer})

    for seeds, images, *world in [(2, 40, 0.3, 1, 0), (3, 30, 0, 0, 0), (3, 60, 0.2, 0, 0.5), (5, 80, 0.7, 6, 0),
                                  (10, 30, 0.2, 1, 0.3), (12, 25, 0, 4, 0), (20, 50, 0.2, 0, 1), (4, 120, 1, 0, 0)]:
        case(f'{seeds} seeds, {images} images, spreads {world[0]} and {world[1]}, advantage {world[2]}',
             answers(seeds, images, *world))
    one_sided = np.zeros((6, 50), dtype=int)
    one_sided[:, :4] = 1
    case('six seeds alike, four images won and none lost', one_sided)
    case('two seeds alike', [[1, 0, 0, -1, 1]] * 2)
    case('three seeds, no difference anywhere', np.zeros((3, 10), dtype=int))
    case('six seeds, no difference anywhere', np.zeros((6, 10), dtype=int))
    case('seven seeds, every image won', np.ones((7, 20), dtype=int))
    case('equal differences on different images', [[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    case('neither seeds nor images vary beside the residual', [[1, 0], [0, 1]])
    case('one seed against the other', [[1, 1, 1, 0], [-1, -1, -1, 0]])
    document = {'source': f'numpy {np.__version__} and scipy {scipy.__version__}, written by crossed.py',
                'cases': cases}
    pathlib.Path('crossed.json').write_text(json.dumps(document) + '\n')


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_run(folder):
    folder = pathlib.Path(folder)
    config = json.loads((folder / 'config.json').read_text())
    arm = config.get('arm') or config['policy']
    shift = re.search(r'@(\d+)$', arm)
    pair = config['seed'] - (int(shift[1]) if shift else 0)
    lines = read_lines(folder / 'predictions.jsonl')
    right = {line['image']: int(line['final']['predicted'] == line['label']) for line in lines}
    return arm, pair, right


def holm(p_values):
    order = np.argsort(p_values)
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


def same(found, expected):
    if found is None or expected is None or isinstance(expected, str):
        return found == expected
    return abs(found - expected) <= 1e-9 * max(abs(expected), 1e-12)


def check(document, folders):
    document = json.loads(pathlib.Path(document).read_text())
    runs = {}
    for folder in folders:
        arm, pair, right = read_run(folder)
        runs.setdefault(arm, {})[pair] = right
    differences = document['differences']
    answers = []
    for difference in differences:
        arm, baseline = runs[difference['arm']], runs[difference['baseline']]
        pairs = sorted(arm.keys() & baseline.keys())
        images = sorted(arm[pairs[0]])
        answers.append(crossed([[arm[p][i] - baseline[p][i] for i in images] for p in pairs]))
    for answer, adjusted in zip(answers, holm([answer['pValue'] for answer in answers])):
        answer['adjustedPValue'] = adjusted
    checked = 0
    for difference, answer in zip(differences, answers):
        flat = {**answer, **(answer['varianceShares'] or {})}
        found = {**difference, **(difference['varianceShares'] or {})}
        for key in flat.keys() - {'varianceShares'}:
            checked += 1
            if not same(found[key], flat[key]):
                sys.exit(f"{difference['arm']} - {difference['baseline']}: {key} is {found[key]}, SciPy says {flat[key]}")
    if checked == 0:
        sys.exit('the document holds no difference to check')
    print(f'{checked} numbers of {len(differences)} differences agree with SciPy {scipy.__version__}')


if __name__ == '__main__':
    if len(sys.argv) == 1:
        write_oracle()
    else:
        check(sys.argv[1], sys.argv[2:])
