# SPDX-License-Identifier: MIT
"""What each figure is held against (../targets.toml), and the verdict."""

import os
import tomllib

import programs as P
import results as R

AIM, BEATS, MISSES, OPEN, NONE = "aim", "beats", "MISSES", "open", ""

STAR = "*"
STAR_WORDS = "a peer that is not among those to be beaten takes less"

# In the words of a reader who knows no code.
WORDS = {
    AIM: "beats what it must, and reaches what was aimed at",
    BEATS: "beats what it must, but does not reach what was aimed at",
    MISSES: "does not beat what it must",
    OPEN: "it could not be measured, or what it is held against was not, or not well enough",
    NONE: "held against nothing",
}


class Opponent:
    """What must be beaten: who, and the figure; None where nobody measured it."""

    def __init__(self, name, figure, recorded=False):
        self.name, self.figure, self.recorded = name, figure, recorded


class Judged:
    """
    A result beside its floor, the quickest peer of the run, its opponents and its aim: a
    figure, or, where the target is paired, how many times what was measured beside it.
    """

    def __init__(self, result, floor, best, opponents, target):
        self.result, self.floor, self.best = result, floor, best
        self.opponents, self.paired = opponents, target.get("paired", False)
        self.aim_floors = target.get("aim_floors")
        self.aim = target.get("aim")
        if self.aim_floors and not self.paired and trusted(floor):
            self.aim = floor.summary.min * self.aim_floors
        has_target = any(key in target for key in ("must_beat", "aim", "aim_floors"))
        self.verdict = self._verdict() if has_target else NONE

    @property
    def measured(self):
        """Where more was subtracted than there was, nothing can be said."""
        return self.result.summary.min > 0

    @property
    def floor_figure(self):
        """The least that was measured of it, beside the result or by itself."""
        if self.paired:
            return self.result.ratio.min if self.result.ratio else None
        return self.floor.summary.min if self.floor else None

    @property
    def floors(self):
        """How many times the floor."""
        if not self.floor_figure or self.floor_figure <= 0 or not self.measured:
            return None
        if self.paired:
            return self.result.ratio.median
        return self.result.summary.min / self.floor_figure

    @property
    def reached(self):
        """True or False: the aim; None: there is none, or that is not known."""
        if self.paired:
            return self.result.ratio.holds(self.aim_floors) if self.floors else None
        return None if self.aim is None else self.result.summary.min <= self.aim

    @property
    def best_takes(self):
        """How many times our figure the best peer takes."""
        if self.best is None or not self.measured:
            return None
        return self.best.summary.min / self.result.summary.min

    @property
    def star(self):
        """A mark on a good verdict, where a peer that need not be beaten is quicker."""
        quicker = self.best_takes is not None and self.best_takes < 1
        return STAR if quicker and self.verdict in (AIM, BEATS) else ""

    def _verdict(self):
        if not self.measured:
            return OPEN
        figure = self.result.summary.min
        known = [o for o in self.opponents if o.figure is not None]
        if any(figure >= o.figure for o in known):
            return MISSES
        if len(known) < len(self.opponents):
            return OPEN
        if self.reached is None:
            return OPEN if not self.opponents else BEATS
        return AIM if self.reached else BEATS


def trusted(floor):
    """A floor that is there, and whose figure nobody doubts: others are measured by it."""
    return floor is not None and floor.summary.doubt is None


class Targets:
    def __init__(self, path=None):
        path = path or os.path.join(os.path.dirname(__file__), "..", "targets.toml")
        with open(path, "rb") as file:
            self.all = tomllib.load(file)["target"]

    def of(self, metric, n):
        """What holds for this row: the first that names it."""
        for target in self.all:
            if metric in target["metric"] and n in target.get("n", [n]):
                return target
        return {}

    def needs(self, metric, n):
        """The metrics without which nothing can be said about this one."""
        target = self.of(metric, n)
        needed = {target.get("floor")}
        for one in target.get("must_beat", []):
            needed |= {one.get("metric"), one.get("of")}
        return needed - {None}

    def must_beat(self, ours, other):
        """Whether of two things that are measured that one must be beaten by ours."""
        def meant(one):
            if "metric" in one:
                return (other.metric, other.n) == (one["metric"], one.get("n", ours.n))
            return ((other.metric, other.n) == (ours.metric, ours.n) and
                    other.program.role == P.PEER and other.program.label.startswith(one["peer"]))
        return any(meant(one) for one in self.of(ours.metric, ours.n).get("must_beat", []))

    def scales(self, ours, other):
        """Whether that one may be the floor by which ours, or what it must beat, is told."""
        target = self.of(ours.metric, ours.n)
        floors = {target.get("floor"), *(one.get("of") for one in target.get("must_beat", []))}
        return other.metric in floors and other.n in (ours.n, *R.FLOORS_FOR_ALL)

    def paired(self, metric, n):
        return self.of(metric, n).get("paired", False)

    def judge(self, run, result):
        target = self.of(result.metric, result.n)
        floor = run.floor(target["floor"], result.n) if "floor" in target else None
        opponents = [self._opponent(run, result, floor, one)
                     for one in target.get("must_beat", [])]
        best = next((p for p in run.peers(result.metric, result.n) if p.summary.min > 0), None)
        return Judged(result, floor, best, opponents, target)

    @staticmethod
    def _opponent(run, result, floor, one):
        if "metric" in one:
            other = run.find(one["metric"], one.get("n", result.n))
            return Opponent(one["metric"], other.summary.min if other else None)
        for peer in run.peers(result.metric, result.n):
            if peer.label.startswith(one["peer"]):
                return Opponent(peer.label, peer.summary.min)
        # For one of what `of` counts: that is what was recorded beside it.
        scale = run.find(one["of"], 1) if "of" in one else floor
        if not trusted(scale):
            return Opponent(one["peer"], None)
        return Opponent(one["peer"], one["recorded"] / one["floor"] * scale.summary.min, True)
