# SPDX-License-Identifier: MIT
"""
Rounds: in each, every program measures each thing once, in a process of its own; then all
of them again. So a quiet or a loud minute of the machine meets all of them alike.
"""

import mmap
import os
import time

import programs as P

# More than one processor is meant.
WIDE = ("wake-spinning", "wake-idle", "wake-asleep", "floor-line", "floor-futex")
# One sample is one long round.
LONG = ("parked-bytes", "create", "floor-parked-bytes", "floor-create", "timer", "timer-cancel")
# A sample is a pair. What is told of it is a few parts of a hundred, which takes more of them,
# and an interval, which takes so many rounds even where the others have fewer.
PAIRED_SAMPLES = 31
PAIRED_ROUNDS = 9
# What takes longer than this a round gets few rounds.
SLOW_SECONDS = 8
SLOW_ROUNDS = 3
# Who must be beaten, who must beat it, and the floors that they are told by get so many times
# the rounds, where each of them is brief. A host that has other guests has quiet moments, of a
# second or so: with few rounds they meet one of them. What counts is the least of all rounds,
# which is less of more of them: so who is compared has as many.
CONTESTED = 3
BRIEF_SECONDS = 2

# What is told of these is time, and most of it goes into memory that they are the first to use:
# bytes for each of n. The kernel gives memory that is free for seconds back to the host, and a
# page that is to be had from there takes several times as long as one that the machine has.
FRESH_BYTES = {"create": 6000, "floor-create": 6000, "timer": 600, "timer-cancel": 600}
MADV_POPULATE_WRITE = 23


def wide(metric, n):
    return metric in WIDE or (metric == "channel" and n > 1)


class Thing:
    """One metric with one n, of one program, and what was measured of it, and beside it."""

    def __init__(self, metric, n, program, paired=False):
        self.metric, self.n, self.program, self.paired = metric, n, program, paired
        self.contest = None  # who has as many rounds; None: it is in no contest
        self.rounds, self.beside = [], []
        self.took = []  # seconds, of each round
        self.cannot = None
        self.failed = None

    def measure(self, samples, core):
        touch_memory(self.n * FRESH_BYTES.get(self.metric, 0))
        began = time.monotonic()
        wanted = 1 if self.metric in LONG else PAIRED_SAMPLES if self.paired else samples
        try:
            figures, beside = self.program.sample(
                self.metric, self.n, wanted, None if wide(self.metric, self.n) else {core})
            self.rounds.append(figures)
            self.beside.append(beside)
        except P.Cannot as why:
            self.cannot = str(why)
        except P.Failed as why:
            self.failed = str(why)
        self.took.append(time.monotonic() - began)

    def is_brief(self):
        """By its quickest round: one hiccup is not for everybody in the contest."""
        return min(self.took, default=0) < BRIEF_SECONDS

    def most(self, rounds):
        """How many rounds of it are to be measured."""
        if max(self.took, default=0) > SLOW_SECONDS:
            return min(rounds, SLOW_ROUNDS)
        if self.contest and all(thing.is_brief() for thing in self.contest):
            rounds *= CONTESTED
        return max(rounds, PAIRED_ROUNDS) if self.paired else rounds

    def wanted(self, rounds):
        return not self.cannot and not self.failed and len(self.rounds) < self.most(rounds)


def matches(metric, patterns):
    """A pattern is a metric's name, or the beginning of one up to a `-`."""
    return not patterns or any(metric == p or metric.startswith(p + "-") for p in patterns)


def mark_contests(all_things, targets):
    """Who is in two contests joins them to one."""
    for ours in (thing for thing in all_things if thing.program.role == P.OWN):
        if not any(targets.must_beat(ours, other) for other in all_things):
            continue
        contest = set()
        for other in all_things:
            if other is ours or targets.must_beat(ours, other) or targets.scales(ours, other):
                contest |= other.contest or {other}
        for thing in contest:
            thing.contest = contest


def things(programs, patterns, most, targets):
    """
    What is to be measured, and what it is held against; the same thing of all programs next
    to each other.
    """
    all_things = [Thing(metric, n, program, targets.paired(metric, n)) for program in programs
                  for metric, n in program.entries if n <= most]
    wanted = [thing for thing in all_things if matches(thing.metric, patterns)]
    needed = set()
    for thing in wanted:
        needed |= targets.needs(thing.metric, thing.n)
    first = {}
    for thing in all_things:
        first.setdefault(thing.metric, len(first))
    kept = [thing for thing in all_things if thing in wanted or thing.metric in needed]
    mark_contests(kept, targets)
    return sorted(kept, key=lambda thing: (first[thing.metric], thing.n))


def touch_memory(wanted):
    """Writes to so much memory, at most to half of what is free, and frees it again."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(text.split()[1]) * 1024 for text in file if text.startswith("MemAvailable"))
    size = min(wanted, free // 2) // mmap.PAGESIZE * mmap.PAGESIZE
    if size == 0:
        return
    with mmap.mmap(-1, size) as memory:
        try:
            memory.madvise(MADV_POPULATE_WRITE)
        except (OSError, ValueError):
            for at in range(0, size, mmap.PAGESIZE):
                memory[at] = 1


def run(all_things, rounds, samples, say):
    """Measures everything; `say` is told how far it is."""
    core = max(os.sched_getaffinity(0))
    for turn in range(max(thing.most(rounds) for thing in all_things)):
        wanted = [thing for thing in all_things if thing.wanted(rounds)]
        last = max((thing.most(rounds) for thing in wanted), default=0)
        for i, thing in enumerate(wanted):
            say(f"round {turn + 1} of {last}: {i + 1} of {len(wanted)}, "
                f"{thing.metric} {thing.n} {thing.program.name}")
            thing.measure(samples, core)
