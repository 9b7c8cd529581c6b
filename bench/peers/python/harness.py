# SPDX-License-Identifier: MIT
"""How a program talks to the driver of the bench (../../README.md), and how it measures: the
same warm-up and batches as harness.c."""

import gc
import subprocess
import sys
import time

BATCH = 4_000_000
WARM = 20_000_000

now = time.perf_counter_ns
samples = 0


def batches(operations):
    """How many turns each batch has; prints a figure for each that counts. What the body of
    `for turns in batches(operations)` does is timed."""
    begun, turns, warm, left = now(), 1, False, samples
    # As timeit does: what is made here would be looked through again and again.
    gc.disable()
    while left > 0:
        start = now()
        yield turns
        took = now() - start
        if warm:
            print(f"{took / turns / operations:.4f}")
            left -= 1
        elif took < BATCH / 2:
            turns *= 2
        else:
            turns = max(1, int(turns * BATCH / took))
            warm = now() - begun > WARM


def once(figure):
    """Prints a figure that a process can find only once; others find the other samples."""
    print(f"{figure:.4f}", flush=True)
    if samples > 1:
        words = [sys.executable, *sys.argv[:3], str(samples - 1)]
        sys.exit(subprocess.run(words, check=False).returncode)


def said(file, name):
    """A line "Name:   123 kB" of a file under /proc/self, in bytes."""
    with open(f"/proc/self/{file}", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def memory():
    return said("smaps_rollup", "Rss:") + said("status", "VmPTE:")


def main(what, benches):
    """benches: (metric, sizes, function of n)."""
    global samples
    words = sys.argv[1:]
    if words == ["--list"]:
        print("#", what)
        for metric, sizes, _ in benches:
            for n in sizes:
                print(f"{metric}\t{n}")
        return
    for metric, sizes, measured in benches:
        if len(words) == 3 and words[0] == metric and words[1] in map(str, sizes):
            samples = int(words[2])
            measured(int(words[1]))
            return
    sys.exit("usage: --list | METRIC N SAMPLES, of those listed")
