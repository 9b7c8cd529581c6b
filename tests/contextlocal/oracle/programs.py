# SPDX-License-Identifier: MIT
"""Prints random programs over context variables: programs.py COUNT SEED [FIRST]

One operation a line; a block ends with `end`:

    var V [D]        makes variable V, with default D
    drop_var V       gives up the name V; contexts and tokens may still hold it
    set V X T        binds, keeps the token as T
    get V            value, default, or unset
    get_or V X       value or X
    reset V T        with any token
    old T            what the token remembers
    drop_token T
    context C        an empty one
    copy C D         C is a copy of D
    copy_current C
    drop_context C
    len C            contains C V            find C V            list C
    equal C D
    enter C          the block runs in C
    run C            the same, by a function that is called
    fail             leaves the block at once, with an error
    thread           the block runs in a thread of its own

Values are numbers, or `none`.
"""
import random
import sys

DEPTH = 5


class Program:
    def __init__(self, rng, number):
        self.rng = rng
        self.vars = []
        self.contexts = []
        self.tokens = []
        self.made = {"v": 0, "c": 0, "t": 0}
        self.lines = [f"program {number}"]

    def fresh(self, kind):
        self.made[kind] += 1
        return f"{kind}{self.made[kind]}"

    def value(self):
        return self.rng.choice(["none", "0", "1", "1", "2", "3"])

    def emit(self, *words):
        self.lines.append(" ".join(words))

    def new_var(self):
        var = self.fresh("v")
        default = [self.value()] if self.rng.random() < 0.4 else []
        self.emit("var", var, *default)
        self.vars.append(var)

    def new_context(self):
        context = self.fresh("c")
        kind = self.rng.choice(["context", "copy", "copy_current", "copy_current"])
        if kind == "copy" and self.contexts:
            self.emit("copy", context, self.rng.choice(self.contexts))
        else:
            self.emit("copy_current" if kind == "copy" else kind, context)
        self.contexts.append(context)

    def drop(self, names, word):
        if len(names) > 1:
            self.emit(word, names.pop(self.rng.randrange(len(names))))

    def block(self, depth):
        kind = self.rng.choice(["enter", "enter", "run", "run", "thread"])
        self.emit(kind, *([] if kind == "thread" else [self.rng.choice(self.contexts)]))
        # What a skipped or failed block would have made does not exist after it.
        known = [list(names) for names in (self.vars, self.contexts, self.tokens)]
        self.steps(self.rng.randint(1, 12), depth + 1, within=True)
        self.vars, self.contexts, self.tokens = known
        self.emit("end")

    def step(self, depth, within):
        rng = self.rng
        var, context = rng.choice(self.vars), rng.choice(self.contexts)
        token = rng.choice(self.tokens) if self.tokens else None
        roll = rng.random()
        if roll < 0.22:
            name = self.fresh("t")
            self.emit("set", var, self.value(), name)
            self.tokens.append(name)
        elif roll < 0.30:
            self.emit("get", var)
        elif roll < 0.33:
            self.emit("get_or", var, self.value())
        elif roll < 0.47 and token:
            self.emit("reset", var, token)
        elif roll < 0.50 and token:
            self.emit("old", token)
        elif roll < 0.60:
            self.new_context()
        elif roll < 0.63:
            self.new_var()
        elif roll < 0.66:
            self.emit("len", context)
        elif roll < 0.69:
            self.emit("contains", context, var)
        elif roll < 0.72:
            self.emit("find", context, var)
        elif roll < 0.76:
            self.emit("list", context)
        elif roll < 0.81:
            self.emit("equal", context, rng.choice(self.contexts))
        elif roll < 0.95 and depth < DEPTH:
            self.block(depth)
        elif roll < 0.96 and within:
            self.emit("fail")
        elif not within:  # a block may be skipped, and what it drops would stay
            self.drop(*rng.choice([(self.vars, "drop_var"), (self.contexts, "drop_context"),
                                   (self.tokens, "drop_token")]))

    def steps(self, count, depth, within):
        for _ in range(count):
            self.step(depth, within)

    def write(self):
        for _ in range(self.rng.randint(1, 4)):
            self.new_var()
        self.new_context()
        self.steps(self.rng.randint(20, 60), 0, within=False)
        for context in self.contexts:
            self.emit("list", context)
        for var in self.vars:
            self.emit("get", var)
        return "\n".join(self.lines)


def main():
    count, seed, first = (*map(int, sys.argv[1:]), 0)[:3]
    for number in range(first, first + count):
        print(Program(random.Random(f"{seed}/{number}"), number).write())


main()
