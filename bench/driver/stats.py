# SPDX-License-Identifier: MIT
"""What is said about many samples: their middle, their spread, and how they grow with n."""

import math
import random


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    return (values[middle - 1] + values[middle]) / 2


def mad(values):
    """The median of the distances from the median."""
    centre = median(values)
    return median([abs(value - centre) for value in values])


def interval(rounds, resamples=1000, seed=1):
    """
    Where the median lies with 95 % certainty: (low, high), by the bootstrap.

    `rounds` is a list of lists of samples. Whole rounds are drawn, since the samples of
    one process have its luck in common (where its memory lies, who else ran meanwhile). The
    same rounds always give the same interval.
    """
    if len(rounds) < 2:
        return -math.inf, math.inf
    draw = random.Random(seed)
    medians = []
    for _ in range(resamples):
        drawn = []
        for _ in rounds:
            drawn.extend(draw.choice(rounds))
        medians.append(median(drawn))
    medians.sort()
    return medians[int(0.025 * resamples)], medians[int(0.975 * resamples) - 1]


def median_between(values, certainty=0.95):
    """
    Between which two of the values the median lies of that which they are drawn from:
    (low, high). That holds at least that certainly whatever its shape: each value falls
    below the median as a coin falls. Five values or fewer are too few.
    """
    values, n = sorted(values), len(values)
    outside, below = -1, 0.0  # so many values at each end can be left out
    while outside < n // 2:
        below += math.comb(n, outside + 1) / 2 ** n
        if 2 * below > 1 - certainty:
            break
        outside += 1
    return (values[outside], values[n - 1 - outside]) if outside >= 0 else (-math.inf, math.inf)


def short(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Summary:
    """The statistics of one thing's rounds."""

    # An interval wider than this part of the median makes a figure doubtful.
    LIMIT = 0.15

    def __init__(self, rounds):
        samples = [sample for one in rounds for sample in one]
        self.rounds = len(rounds)
        self.samples = len(samples)
        self.min = min(samples)
        self.median = median(samples)
        self.mad = mad(samples)
        self.low, self.high = interval(rounds)

    @property
    def width(self):
        """Of the interval, as a part of the median."""
        if self.low == -math.inf:
            return math.inf
        return (self.high - self.low) / self.median if self.median > 0 else math.inf

    @property
    def doubt(self):
        """Why the figure is not to be trusted, or None."""
        if self.rounds < 2:
            return "one round says nothing about the next"
        if self.width > self.LIMIT:
            return (f"between {short(self.low)} and {short(self.high)}, "
                    f"{self.width:.0%} of the median apart")
        return None


class Ratio:
    """
    How many times as much as what was measured beside it. Of a round, whose samples have their
    luck in common, the median ratio counts, as one value.
    """

    def __init__(self, rounds, beside):
        values = [median([a / b for a, b in zip(ours, theirs)])
                  for ours, theirs in zip(rounds, beside)]
        self.rounds = len(values)
        self.median = median(values)
        self.low, self.high = median_between(values)
        self.min = min(value for one in beside for value in one)  # of what stands beside

    def holds(self, most):
        """True: it is at most that; False: it is more; None: that is not known."""
        if self.high <= most:
            return True
        return False if self.low > most else None


def line(xs, ys):
    """Least squares of the relative error: (a, b) of y = a + b x."""
    weights = [1 / (y * y) for y in ys]
    total = sum(weights)
    mean_x = sum(w * x for w, x in zip(weights, xs)) / total
    mean_y = sum(w * y for w, y in zip(weights, ys)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, x in zip(weights, xs))
    if spread == 0:
        return mean_y, 0.0
    b = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in zip(weights, xs, ys)) / spread
    return mean_y - b * mean_x, b


class Growth:
    """
    How a cost grows with n: the simplest of flat, logarithmic and linear that fits.

    `error` is the largest distance of a point from the fit, as a part of the point. Flat is
    what stays within FLAT of one number; else the better of the two others, where it stays
    within FIT; else none.
    """

    FLAT = 0.15
    FIT = 0.30

    def __init__(self, points):
        points = sorted(points)
        self.points = len(points)
        self.kind, self.a, self.b, self.error = "unknown", None, None, None
        if self.points < 3 or any(n <= 0 or y <= 0 for n, y in points):
            return
        fits = [self._fit(kind, points) for kind in ("flat", "logarithmic", "linear")]
        best = min(fits[1:], key=lambda fit: fit[3])
        if fits[0][3] <= self.FLAT:
            best = fits[0]
        elif best[3] > self.FIT or best[2] <= 0:
            best = ("none", *min(fits, key=lambda fit: fit[3])[1:])
        self.kind, self.a, self.b, self.error = best

    @staticmethod
    def _scale(kind, n):
        return {"flat": 0.0, "logarithmic": math.log2(n), "linear": float(n)}[kind]

    @classmethod
    def _fit(cls, kind, points):
        xs = [cls._scale(kind, n) for n, _ in points]
        ys = [y for _, y in points]
        a, b = line(xs, ys)
        error = max(abs(a + b * x - y) / y for x, y in zip(xs, ys))
        return kind, a, b, error

    def sentence(self, unit="ns"):
        if self.kind == "unknown":
            return "too few points to say how it grows"
        if self.kind == "none":
            return (f"neither flat nor logarithmic nor linear: the best of them is off by "
                    f"{self.error:.0%}")
        formula = {
            "flat": f"{self.a:.3g} {unit}",
            "logarithmic": f"{self.a:.3g} + {self.b:.3g} log2 n {unit}",
            "linear": f"{self.a:.3g} + {self.b:.3g} n {unit}",
        }[self.kind]
        return f"{self.kind}: {formula}, no point off by more than {self.error:.0%}"
