#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures, and says what came of it; `./dev bench` builds first. See ../README.md."""

import argparse
import os
import sys

import budget
import document
import measure
import programs as P
import report
import results
import table
import targets

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


HIDDEN = ("--programs", "--peer-programs", "--out", "--page")
EPILOG = """\
dev bench --budget [--record] [PATH...]
                     counts the instructions of the hot paths instead, against
                     bench/budget.txt; more: --budget --help

exit status: 0 when all was measured, whatever the verdicts; 1 when something
failed; 2 when the words were wrong.
"""


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="dev bench", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures what each storage costs: a table here, build/bench/report.html with\n"
                    "plots, build/bench/result.json for other tools.")
    parser.add_argument("metrics", nargs="*", metavar="METRIC",
                        help="only these; the beginning of a name up to a hyphen will do")
    parser.add_argument("--quick", action="store_true",
                        help="fewer rounds and nothing above 100,000: rough figures soon")
    parser.add_argument("--peers", action="store_true", help="measure other libraries as well")
    parser.add_argument("--rounds", type=int, default=0, help="interleaved rounds; 9, quick: 3")
    parser.add_argument("--samples", type=int, default=3, help="of each process")
    parser.add_argument("--from", dest="source", metavar="JSON",
                        help="measure nothing, take the results of an earlier run")
    parser.add_argument("--document", action="store_true",
                        help="write docs/performance.md as well, with this run's figures")
    parser.add_argument("--programs", default=os.path.join(ROOT, "build/bench/bench"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--peer-programs", default=os.path.join(ROOT, "build/bench/peers"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--out", default=os.path.join(ROOT, "build/bench"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--page", default=document.PAGE, help=argparse.SUPPRESS)
    chosen = parser.parse_args(words)
    if chosen.source and (chosen.metrics or chosen.peers or chosen.quick):
        parser.error("--from measures nothing: no METRIC, --peers or --quick with it")
    if chosen.rounds <= 0:
        chosen.rounds = 3 if chosen.quick else 9
    return chosen


def say(text):
    """How far it is: on one line of a terminal, else nothing."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:78]}", end="", file=sys.stderr, flush=True)


def give_up(why, status=1):
    print(f"bench: {why}", file=sys.stderr)
    sys.exit(status)


def command_of(words):
    """What was typed, without the options that only tests use."""
    shown = [word for before, word in zip([None, *words], words)
             if word not in HIDDEN and before not in HIDDEN]
    return " ".join(["./dev bench", *shown])


def earlier_run(path):
    try:
        return results.read(path)
    except (OSError, ValueError, KeyError, TypeError) as why:
        give_up(f"{path} is no result of a run: {why!r}", status=2)


def new_run(chosen, command):
    found, missing = P.find(chosen.programs, chosen.peer_programs if chosen.peers else None)
    machine, date = results.machine(), results.today()
    known = sorted({metric for program in found for metric, _ in program.entries})
    for pattern in chosen.metrics:
        if not any(measure.matches(metric, [pattern]) for metric in known):
            give_up(f"no metric {pattern}; there are: " + " ".join(known), status=2)
    wanted = measure.things(found, chosen.metrics, 100000 if chosen.quick else 10 ** 9,
                            targets.Targets())
    if not wanted:
        give_up("nothing to measure")
    measure.run(wanted, chosen.rounds, chosen.samples, say)
    say("")
    failed = [thing.failed for thing in wanted if thing.failed]
    run = results.from_things(wanted, machine=machine, date=date, quick=chosen.quick,
                              rounds=chosen.rounds, skipped=missing, command=command)
    return run, failed


def main(words):
    if words[:1] == ["--budget"]:
        folder = os.path.join(ROOT, "build/bench/bench")
        return budget.main(["--programs", folder, *words[1:]])
    chosen = arguments(words)
    os.makedirs(chosen.out, exist_ok=True)
    failed = []
    if chosen.source:
        run = earlier_run(chosen.source)
    else:
        run, failed = new_run(chosen, command_of(words))
        results.write(run, os.path.join(chosen.out, "result.json"))
    held = targets.Targets()
    report.write(run, held, os.path.join(chosen.out, "report.html"))
    print("\n".join(table.render(run, held)))
    print(f"\n{os.path.relpath(os.path.join(chosen.out, 'report.html'))} shows all of it")
    if chosen.document:
        failed += document.write(run, held, chosen.page)
    for text in failed:
        print("bench: failed: " + text, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
