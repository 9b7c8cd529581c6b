# SPDX-License-Identifier: MIT
"""
test_peers.py BENCH PEERS: every peer that was built lists what it measures, measures each
metric at its smallest n, and finds a positive figure for each sample; it refuses what it has
not listed.
"""

import os
import subprocess
import sys

SKIPPED = 77
SAMPLES = 2


def smallest(entries):
    least = {}
    for metric, n in entries:
        least[metric] = min(n, least.get(metric, n))
    return sorted(least.items())


def wrong_with(program, programs):
    """What is wrong, as sentences."""
    if not program.entries or len(set(program.entries)) != len(program.entries):
        yield f"{program.file}: lists nothing, or something twice"
    for metric, n in smallest(program.entries):
        try:
            samples, _ = program.sample(metric, n, SAMPLES)
        except programs.Cannot as why:
            print(f"{program.file} {metric} {n}: not here: {why}")
            continue
        except programs.Failed as why:
            yield str(why)
            continue
        print(f"{program.label}: {metric} {n}: {min(samples):.4g}")
        if min(samples) <= 0:
            yield f"{program.file} {metric} {n}: {samples}"
    refused = subprocess.run([program.path, "no-such-metric", "1", "1"], check=False,
                             capture_output=True, text=True)
    if refused.returncode in (0, SKIPPED) or refused.stdout or not refused.stderr:
        yield f"{program.file}: took a metric that it has not"


def main(bench, peers):
    sys.path.insert(0, os.path.join(bench, "driver"))
    import programs  # pylint: disable=import-outside-toplevel

    if not programs.executables(peers):
        print("no peer is built here: ./dev bench --peers builds them")
        return SKIPPED
    found, missing = programs.find(peers)
    # A peer that was not built has said so in a file, and is no program.
    wrong = [f"{name}: {why}" for name, why in missing.items()]
    for program in found:
        wrong += wrong_with(program, programs)
    print("\n".join(wrong))
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
