# SPDX-License-Identifier: MIT
"""Plays random programs on nook and on Python; their logs must be the same.

compare.py DIRECTORY PLAYER [COUNT [SEED]]

DIRECTORY holds programs.py, which writes COUNT programs of a seed, and reference.py,
which plays them on Python; PLAYER plays them on nook. Without a SEED one is drawn, and
printed. The first program on which they differ is made smaller, statement by statement,
as long as they still do; it is printed with both logs.
"""
import difflib
import os
import random
import subprocess
import sys

BATCH = 500
LIMIT = 120  # seconds for a batch, more than a sanitizer needs


class Oracle:
    def __init__(self, directory, player):
        self.makes = [sys.executable, os.path.join(directory, "programs.py")]
        self.python = [sys.executable, os.path.join(directory, "reference.py")]
        self.nook = [player]

    def programs(self, count, seed, first):
        made = subprocess.run([*self.makes, str(count), str(seed), str(first)],
                              stdout=subprocess.PIPE, text=True, check=True)
        return cut(made.stdout)

    def play(self, player, programs, limit=LIMIT):
        """The logs, what it ended with, and what it complained of."""
        text = "".join("\n".join(program) + "\n" for program in programs)
        try:
            done = subprocess.run(player, input=text, capture_output=True, text=True,
                                  timeout=limit)
        except subprocess.TimeoutExpired as late:
            return cut((late.stdout or b"").decode()), "did not end", ""
        return cut(done.stdout), done.returncode, done.stderr

    def differ(self, program):
        """Whether it is a program, and they differ on it."""
        theirs, status, _ = self.play(self.python, [program], 10)
        if status != 0:
            return False
        ours, status, _ = self.play(self.nook, [program], 10)
        return status != 2 and (status != 0 or ours != theirs)


def cut(text):
    """Lists of lines, each beginning with a `program` line."""
    parts = []
    for line in text.splitlines():
        if line.startswith("program "):
            parts.append([])
        if parts:
            parts[-1].append(line)
    return parts


# --- making a program smaller


def parse(lines, blocks):
    """Statements as lists: the line, and where it is a block, those within it."""
    top = []
    open_ = [top]
    for line in lines:
        if line == "end":
            open_.pop()
            continue
        statement = [line]
        open_[-1].append(statement)
        if line.split()[0] in blocks:
            open_.append(statement)
    return top


def lines_of(statements, blocks):
    lines = []
    for line, *within in statements:
        lines.append(line)
        if line.split()[0] in blocks:
            lines += lines_of(within, blocks) + ["end"]
    return lines


def blocks_of(lines):
    """Words that open a block: with any other set the ends do not come out even."""
    words = {line.split()[0] for line in lines}
    return {word for word in words if word in BLOCK_WORDS}


BLOCK_WORDS = {"enter", "run", "spawn", "soon", "later", "done", "thread", "timeout", "catch",
               "shield", "group", "wait_for"}


def bodies(statements, start=0):
    """Every list of statements there is, the outermost first."""
    yield statements, start
    for statement in statements[start:]:
        yield from bodies(statement, 1)


def shrink(program, differ):
    heading, *lines = program
    blocks = blocks_of(lines)
    tree = parse(lines, blocks)

    def still():
        return differ([heading, *lines_of(tree, blocks)])

    def without(body, at, many):
        taken = body[at:at + many]
        del body[at:at + many]
        if still():
            return True
        body[at:at] = taken
        return False

    def unwrapped(body, at):
        block = body[at]
        if len(block) == 1:
            return False
        body[at:at + 1] = block[1:]
        if still():
            return True
        body[at:at + len(block) - 1] = [block]
        return False

    smaller = True
    while smaller:
        smaller = False
        for body, start in list(bodies(tree)):
            many = max(1, (len(body) - start) // 2)
            while many:
                at = len(body) - many
                while at >= start:
                    smaller |= without(body, at, many)
                    at -= many
                many //= 2
            for at in range(len(body) - 1, start - 1, -1):
                smaller |= unwrapped(body, at)
    return [heading, *lines_of(tree, blocks)]


# --- telling


def tell(oracle, program, seed):
    small = shrink(program, oracle.differ) if oracle.differ(program) else program
    theirs, _, _ = oracle.play(oracle.python, [small])
    ours, status, complaint = oracle.play(oracle.nook, [small])
    print(f"{program[0]} of seed {seed}: nook and Python differ, and still do on this:")
    print(*small[1:], sep="\n")
    print(f"nook ended with {status}", complaint, "log:", sep="\n")
    print(*(ours[0] if ours else []), sep="\n")
    print("Python's log:", *theirs[0], sep="\n")
    print("Python (-) and nook (+):")
    print(*difflib.unified_diff(theirs[0], ours[0] if ours else [], lineterm="", n=2), sep="\n")
    return 1


def compare(oracle, count, seed):
    events = 0
    for first in range(0, count, BATCH):
        programs = oracle.programs(min(BATCH, count - first), seed, first)
        theirs, status, complaint = oracle.play(oracle.python, programs)
        if status != 0 or len(theirs) != len(programs):
            print(complaint, f"Python did not play {theirs[-1][0]} of seed {seed}", sep="\n")
            return 1
        ours, status, complaint = oracle.play(oracle.nook, programs)
        for at, program in enumerate(programs):
            if at >= len(ours) or ours[at] != theirs[at]:
                return tell(oracle, program, seed)
        if status != 0:
            print(complaint, f"the player ended with {status} after the programs from {first} "
                  f"on of seed {seed}", sep="\n")
            return 1
        events += sum(len(log) - 1 for log in theirs)
    print(f"{count} programs of seed {seed}: {events} events, all the same")
    return 0


def main():
    directory, player, count, seed = (*sys.argv[1:], None, None)[:4]
    seed = int(seed) if seed else random.randrange(1, 10**9)
    count = int(count or 300)
    print(f"{count} programs of seed {seed}", flush=True)
    sys.exit(compare(Oracle(directory, player), count, seed))


main()
