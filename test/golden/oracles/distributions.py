"""Writes distributions.json: values of SciPy that src/stats/distributions.ts is held against.

    python3 distributions.py > distributions.json        (SciPy 1.17.1, mpmath 1.3.0)

Every value is computed with mpmath at 50 digits as well. Where SciPy is further from it than 1e-12, the value of
mpmath stands in the file and the key counts in `corrected`.
"""

import json

import mpmath as mp
import scipy
from scipy import stats

mp.mp.dps = 50

TAILS = [1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.49, 0.499]
UPPER = [0.5, 0.501, 0.51, 0.55, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12]
DEGREES = [0.5, 0.75, 1, 1.3, 1.5, 2, 2.5, 3, 3.7, 4, 5, 6.25, 8, 9, 12.6, 19, 29, 47.3, 99, 250.5, 999, 9999, 1e5, 1e6]
TRIALS = [0, 1, 2, 5, 6, 20, 53, 100, 400, 999, 10_000, 100_000]
corrected = {}


def checked(key, found, exact):
    """SciPy's value, or the exact one where SciPy is off; and a count of these."""
    found, exact = float(found), mp.mpf(exact)
    if exact != 0 and abs(mp.mpf(found) - exact) > mp.mpf("1e-12") * abs(exact):
        corrected[key] = corrected.get(key, 0) + 1
        return float(exact)
    return found


def t_cdf(t, df):
    t, df = mp.mpf(t), mp.mpf(df)
    squared = t * t
    # Of the two forms of the incomplete beta function the one that is not 1 less a little.
    if squared > df:
        tail = mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + squared), regularized=True) / 2
    else:
        tail = (1 - mp.betainc(mp.mpf(1) / 2, df / 2, 0, squared / (df + squared), regularized=True)) / 2
    return tail if t <= 0 else 1 - tail


def t_quantile(p, df, near):
    """Newton's steps from SciPy's value."""
    p, df, t = mp.mpf(p), mp.mpf(df), mp.mpf(float(near))
    scale = mp.gamma((df + 1) / 2) / (mp.sqrt(df * mp.pi) * mp.gamma(df / 2))
    for _ in range(8):
        density = scale * mp.power(1 + t * t / df, -(df + 1) / 2)
        step = (t_cdf(t, df) - p) / density
        t -= step
        if abs(step) < mp.mpf("1e-30") * (1 + abs(t)):
            break
    return t


def binomial_cdf(k, n):
    if k < 0:
        return 0
    if k >= n:
        return 1
    # From the largest term downwards, as exact whole numbers over 2^n.
    if 2 * k >= n:
        return 1 - binomial_cdf(n - k - 1, n)
    term, total = mp.mpf(1), mp.mpf(1)
    for i in range(k, 0, -1):
        term = term * i / (n - i + 1)
        total += term
        if term < total * mp.mpf("1e-40"):
            break
    return total * mp.binomial(n, k) / mp.power(2, n)


def document():
    normal_at = sorted({s * z for s in (-1, 1) for z in (0, 1e-9, 0.01, 0.3, 0.7, 1, 1.5, 1.96, 2.5, 3, 4, 5, 6, 7, 7.9, 8.2)})
    normal_cdf = [[z, checked("normalCdf", stats.norm.cdf(z), mp.ncdf(z))] for z in normal_at]
    normal_quantile = []
    for p in TAILS + UPPER:
        exact = mp.findroot(lambda z: mp.ncdf(z) - mp.mpf(p), float(stats.norm.ppf(p))) if p != 0.5 else 0
        normal_quantile.append([p, checked("normalQuantile", stats.norm.ppf(p), exact)])
    t_cdf_values = []
    for df in DEGREES:
        for t in (-1e6, -1000, -63.7, -12.7, -5, -3, -2, -1.96, -1, -0.5, -0.1, -1e-3, 0, 1e-3, 0.3, 1, 2.5, 4.3, 40):
            found = stats.t.cdf(t, df)
            if found < 1e-290:
                continue
            t_cdf_values.append([t, df, checked("tCdf", found, t_cdf(t, df))])
    t_quantiles = []
    for df in DEGREES:
        for p in UPPER + [1 - q for q in UPPER if q < 0.999] + [1e-9, 1e-12, 1e-15]:
            found = stats.t.ppf(p, df)
            exact = 0 if p == 0.5 else t_quantile(p, df, found)
            t_quantiles.append([p, df, checked("tQuantile", found, exact)])
    binomials = []
    for n in TRIALS:
        middle = n / 2
        spread = max(1, n**0.5 / 2)
        shifts = (-60, -30, -20, -10, -6, -4, -3, -2, -1, -0.3, 0, 0.5, 1, 3, 7)
        for k in sorted({int(middle + shift * spread) for shift in shifts} | {0, 1, n - 1, n}):
            if 0 <= k <= n:
                exact = binomial_cdf(k, n)
                if exact > mp.mpf("1e-290"):
                    binomials.append([k, n, checked("binomialCdf", stats.binom.cdf(k, n, 0.5), exact)])
    return {
        "source": f"SciPy {scipy.__version__}, mpmath {mp.__version__}",
        "columns": {
            "normalCdf": ["z", "probability"],
            "normalQuantile": ["probability", "z"],
            "tCdf": ["t", "degreesOfFreedom", "probability"],
            "tQuantile": ["probability", "degreesOfFreedom", "t"],
            "binomialCdf": ["successes", "trials", "probability, each trial 1/2"],
        },
        "corrected": corrected,
        "normalCdf": normal_cdf,
        "normalQuantile": normal_quantile,
        "tCdf": t_cdf_values,
        "tQuantile": t_quantiles,
        "binomialCdf": binomials,
    }


def rows(document):
    """JSON with a row of numbers a line."""
    text = json.dumps(document, indent=1)
    lines = []
    for line in text.split("\n"):
        bare = line.strip()
        if lines and lines[-1].endswith((",", "[")) and line.startswith("   ") and not line.startswith("  {"):
            lines[-1] += bare
        elif lines and bare in ("]", "],") and line.startswith("  ]"):
            lines[-1] += bare
        else:
            lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    print(rows(document()))
