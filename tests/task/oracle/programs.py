# SPDX-License-Identifier: MIT
"""Prints random programs over tasks and contexts: programs.py COUNT SEED [FIRST]

One statement a line; a block ends with `end`. The program itself is the body of t0.
CONTEXT is copy, empty, share (the creator's own) or a context's name; NS is a time.

    var V [D]              makes a variable, with default D
    context C copy|empty
    set V X T              binds, keeps the token as T
    get V                  reset V T               list C
    run C                  a block, in C; does not wait
    spawn T CONTEXT        a task; its body is the block
    soon H CONTEXT         a callback; its body is the block, and does not wait
    later H NS CONTEXT
    done H T CONTEXT       when T has ended
    cancel_handle H
    cancel T               uncancel                cancelling T
    state T                whether it has ended, and how
    return N               fail N                  the body ends, with that

Only in tasks, because they wait or concern waiting:

    yield                  sleep NS
    join T                 says how T ended        await T     ends like T where T failed
    gather NS T...         NS: see reference.py
    thread NS              the block runs in another thread, by to_thread
    timeout D NS           a block under a deadline
    reschedule D NS        expired D
    catch                  a block; what it is left by is said, and forgotten

A task joins only those whose block has ended above: so no two wait for each other.
Times are random to many digits: no two timers of a program are due at once.
"""
import random
import sys

DEPTH = 5
TIMERS = (1, 2, 3, 5, 8, 13, 21, 34)
SECOND = 10**12


class Scope:
    """Where a statement stands: what it may do and name."""

    def __init__(self, waits, in_task=True, deadlines=(), depth=0, runs=False):
        self.waits, self.in_task, self.runs = waits, in_task, runs
        self.deadlines, self.depth = list(deadlines), depth


class Program:
    def __init__(self, rng, number):
        self.rng = rng
        self.lines = [f"program {number}"]
        self.made = dict.fromkeys("vctkhd", 0)
        self.vars, self.contexts, self.tokens, self.handles = [], [], [], []
        self.tasks, self.closed = ["t0"], []
        self.left = rng.randint(10, 70)

    def fresh(self, kind):
        self.made[kind] += 1
        return f"{kind}{self.made[kind]}"

    def emit(self, *words):
        self.lines.append(" ".join(map(str, words)))

    def time(self):
        return self.rng.choice(TIMERS) * SECOND + self.rng.randrange(SECOND // 10)

    def value(self):
        return self.rng.choice(["none", 0, 1, 2, 3])

    def context(self, scope):
        choices = ["copy", "copy", "copy", "empty"]
        if scope.in_task:
            choices.append("share")
        if self.contexts:
            choices += [self.rng.choice(self.contexts)] * 3
        return self.rng.choice(choices)

    def block(self, scope, most=6):
        self.statements(self.rng.randint(1, most), scope)
        self.emit("end")

    def statements(self, count, scope):
        for _ in range(count):
            if self.left > 0:
                self.left -= 1
                self.statement(scope)

    def inner(self, scope, waits=None, in_task=None, deadlines=None):
        return Scope(scope.waits if waits is None else waits,
                     scope.in_task if in_task is None else in_task,
                     scope.deadlines if deadlines is None else deadlines, scope.depth + 1)

    def statement(self, scope):
        kinds = [(self.bind, 5), (self.read, 4), (self.reset, 3), (self.new_context, 1),
                 (self.list, 1), (self.cancel, 2.5), (self.count, 1), (self.cancel_handle, 1),
                 (self.state, 1)]
        if scope.depth < DEPTH:
            kinds += [(self.spawn, 7), (self.soon, 2), (self.later, 2), (self.done, 3),
                      (self.run, 2)]
        if scope.waits:
            kinds += [(self.yields, 5), (self.sleep, 5), (self.join, 5), (self.gather, 2),
                      (self.thread, 1), (self.uncancel, 1), (self.leave, 0.2)]
            if scope.depth < DEPTH:
                kinds += [(self.timeout, 3), (self.catch, 4)]
            if scope.deadlines:
                kinds += [(self.reschedule, 2), (self.expired, 1)]
        makers, weights = zip(*kinds)
        self.rng.choices(makers, weights)[0](scope)

    def new_var(self):
        default = [self.value()] if self.rng.random() < 0.4 else []
        var = self.fresh("v")
        self.emit("var", var, *default)
        self.vars.append(var)

    def bind(self, _):
        token = self.fresh("k")
        self.emit("set", self.rng.choice(self.vars), self.value(), token)
        self.tokens.append(token)

    def read(self, _):
        self.emit("get", self.rng.choice(self.vars))

    def reset(self, _):
        if self.tokens:
            self.emit("reset", self.rng.choice(self.vars), self.rng.choice(self.tokens[-6:]))

    def new_context(self, _):
        context = self.fresh("c")
        self.emit("context", context, self.rng.choice(["copy", "copy", "empty"]))
        self.contexts.append(context)

    def list(self, _):
        if self.contexts:
            self.emit("list", self.rng.choice(self.contexts))

    def run(self, scope):
        if self.contexts and not scope.runs:  # the oracle of contexts has those in each other
            self.emit("run", self.rng.choice(self.contexts))
            self.block(Scope(False, False, depth=scope.depth + 1, runs=True), 4)

    def spawn(self, scope):
        task = self.fresh("t")
        self.emit("spawn", task, self.context(scope))
        self.tasks.append(task)
        self.block(self.inner(scope, waits=True, in_task=True, deadlines=()), 9)
        self.closed.append(task)

    def callback(self, scope, word, *words):
        handle = self.fresh("h")
        self.emit(word, handle, *words, self.context(scope))
        self.handles.append(handle)
        self.block(self.inner(scope, waits=False, in_task=False, deadlines=()), 4)

    def soon(self, scope):
        self.callback(scope, "soon")

    def later(self, scope):
        self.callback(scope, "later", self.time())

    def done(self, scope):
        self.callback(scope, "done", self.rng.choice(self.tasks))

    def cancel_handle(self, _):
        if self.handles:
            self.emit("cancel_handle", self.rng.choice(self.handles))

    def cancel(self, _):
        self.emit("cancel", self.rng.choice(self.tasks))

    def uncancel(self, _):
        self.emit("uncancel")

    def count(self, _):
        self.emit("cancelling", self.rng.choice(self.tasks))

    def state(self, _):
        self.emit("state", self.rng.choice(self.tasks))

    def leave(self, _):
        self.emit(self.rng.choice(["return", "fail"]), self.rng.randint(0, 9))

    def yields(self, _):
        self.emit("yield")

    def sleep(self, _):
        self.emit("sleep", self.time())

    def join(self, _):
        if self.closed:
            self.emit(self.rng.choice(["join", "join", "await"]), self.rng.choice(self.closed))

    def gather(self, _):
        if self.closed:
            tasks = [self.rng.choice(self.closed) for _ in range(self.rng.randint(1, 4))]
            self.emit("gather", self.time(), *tasks)

    def thread(self, _):
        self.emit("thread", self.time())
        for _ in range(self.rng.randint(1, 4)):
            self.rng.choice([self.bind, self.read, self.reset])(_)
        self.emit("end")

    def timeout(self, scope):
        deadline = self.fresh("d")
        self.emit("timeout", deadline, self.time())
        self.block(self.inner(scope, deadlines=scope.deadlines + [deadline]))

    def reschedule(self, scope):
        self.emit("reschedule", self.rng.choice(scope.deadlines), self.time())

    def expired(self, scope):
        self.emit("expired", self.rng.choice(scope.deadlines))

    def catch(self, scope):
        self.emit("catch")
        self.block(self.inner(scope))

    def write(self):
        for _ in range(self.rng.randint(1, 4)):
            self.new_var()
        scope = Scope(waits=True)
        while self.left > 0:
            self.left -= 1
            self.statement(scope)
        return "\n".join(self.lines)


def main():
    count, seed, first = (*map(int, sys.argv[1:]), 0)[:3]
    for number in range(first, first + count):
        print(Program(random.Random(f"{seed}/{number}"), number).write())


main()
