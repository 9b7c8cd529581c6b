#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The gate: how many instructions an operation executes, against a committed budget.

Valgrind counts them, so that a loud machine changes nothing. Each path runs twice, the
second time for more turns: of the difference, divided by as many operations, the start of the
program is no part. See ../README.md.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import programs as P

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGET = os.path.join(os.path.dirname(HERE), "budget.txt")
# A path may cost so much more than its budget, as a part of it.
SLACK = 0.02
# Turns of the two runs.
SHORT, LONG = 1000, 3000
SKIP = 77


class Path:
    """What is counted: `program --count metric n`, and how many instructions it may take."""

    def __init__(self, program, metric, n, budget):
        self.program, self.metric, self.n, self.budget = program, metric, n, budget

    @property
    def name(self):
        return f"{self.metric}/{self.n}"


def read(path):
    """(the machine that it is for, the paths, the text before them)."""
    machine, paths, head = None, [], []
    with open(path, encoding="utf-8") as file:
        for text in file:
            words = text.split()
            if text.startswith("# for: "):
                machine = text.removeprefix("# for: ").strip()
            elif text.startswith("#") or not words:
                head.append(text)
            else:
                paths.append(Path(words[0], words[1], int(words[2]), float(words[3])))
    return machine, paths, head


def write(path, machine, paths, head):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(head)
        file.write(f"# for: {machine}\n")
        for one in paths:
            file.write(f"{one.program:<10} {one.metric:<12} {one.n:>5} {one.budget:>9.1f}\n")


def machine_of(program):
    """What instruction counts depend on, beside the sources."""
    what = P.Program(program, P.OWN).what.split(", ")[-1]
    compiler = re.sub(r"(\d+)[.\d]*.*", r"\1", what)
    return ", ".join([platform.machine(), compiler, " ".join(platform.libc_ver())])


def parse(file):
    """The instructions by function that a file of callgrind's tells, without those called."""
    functions, function, inside_call = {}, None, False
    for text in file:
        if text.startswith("fn="):
            # A function inside itself, which switched stacks look like, has a number added.
            function = text[3:].strip().split("'")[0]
        elif text.startswith("calls="):
            inside_call = True
        elif text[:1].isdigit() or text[:1] in "+-*":
            if not inside_call:
                functions[function] = functions.get(function, 0) + int(text.split()[1])
            inside_call = False
    return functions


def count(program, path, turns, folder):
    """(operations, instructions by function) of one run."""
    out = os.path.join(folder, f"callgrind.{path.metric}.{path.n}.{turns}")
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
         "--compress-pos=no", program, "--count", path.metric, str(path.n), str(turns)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"budget: {path.name}: exit {done.returncode}: {done.stderr[-500:]}")
    with open(out, encoding="utf-8", errors="replace") as file:
        return int(done.stdout), parse(file)


def per_operation(program, path, folder):
    """Instructions an operation, by function."""
    few, before = count(program, path, SHORT, folder)
    many, after = count(program, path, LONG, folder)
    return {name: (cost - before.get(name, 0)) / (many - few)
            for name, cost in after.items() if cost != before.get(name, 0)}


def verdict(counted, budget):
    """What is said about a path, and whether it is too dear."""
    if budget <= 0:
        return "no budget", True
    change = counted / budget - 1
    if change > SLACK:
        return f"{change:+.1%}  TOO DEAR", True
    if change < -SLACK:
        return f"{change:+.1%}  cheaper: record it", False
    return f"{change:+.1%}", False


def show_functions(functions, most=8):
    for name, cost in sorted(functions.items(), key=lambda item: -item[1])[:most]:
        if cost >= 0.05:
            print(f"      {cost:9.1f}  {name}")


def check(paths, folder, show, work):
    """Counts and prints; which paths are too dear."""
    dear = []
    print(f"{'instructions an operation':<26} {'budget':>8} {'now':>8}")
    for path in paths:
        functions = per_operation(os.path.join(folder, path.program), path, work)
        counted = sum(functions.values())
        words, too_dear = verdict(counted, path.budget)
        print(f"{path.name:<26} {path.budget:>8.1f} {counted:>8.1f}  {words}", flush=True)
        if too_dear or show:
            show_functions(functions)
        if too_dear:
            dear.append(path)
        path.counted = counted
    return dear


def arguments(words):
    parser = argparse.ArgumentParser(prog="dev bench --budget",
                                     description="Instructions of the hot paths.")
    parser.add_argument("paths", nargs="*", metavar="PATH",
                        help="only these, as yield or yield/2, and show their functions")
    parser.add_argument("--record", action="store_true", help="what is counted is the budget")
    parser.add_argument("--file", default=BUDGET, help=argparse.SUPPRESS)
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    return parser.parse_args(words)


def main(words):
    chosen = arguments(words)
    machine, paths, head = read(chosen.file)
    wanted = [p for p in paths
              if not chosen.paths or p.name in chosen.paths or p.metric in chosen.paths]
    if not wanted:
        sys.exit("budget: paths are " + " ".join(p.name for p in paths))
    if shutil.which("valgrind") is None:
        print("bench.budget: there is no valgrind, which counts the instructions")
        return SKIP
    here = machine_of(os.path.join(chosen.programs, wanted[0].program))
    if machine != here and not chosen.record:
        print(f"bench.budget: the budget is for {machine}, and here is {here}")
        return SKIP
    with tempfile.TemporaryDirectory() as work:
        dear = check(wanted, chosen.programs, bool(chosen.paths), work)
    if chosen.record:
        for path in wanted:
            path.budget = path.counted
        write(chosen.file, here, paths, head)
        print(f"recorded in {os.path.relpath(chosen.file)}")
        return 0
    if dear:
        names = ", ".join(path.name for path in dear)
        print(f"too dear by more than {SLACK:.0%}: {names}. Above are the functions in which they "
              f"spend their\ninstructions; `./dev bench --budget {dear[0].name}` shows that again. "
              f"Is it worth it? Then\n`./dev bench --budget --record` makes it the budget.")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
