# SPDX-License-Identifier: MIT
"""greenlet: stacks of C and of Python that are switched by name, without a scheduler; what is
in use of a stack is copied out when another needs its place. Each has a context of its own. A
`switch` is to the next of a ring of n. `spawn-join` runs a greenlet to its end; a parked one
has switched back to who started it."""

import platform

import greenlet
import harness


def switch(n):
    main = greenlet.getcurrent()
    ring = [main]

    def member(i):
        # Started by the main greenlet each: one that starts the next is nested in it.
        main.switch()
        following = ring[(i + 1) % n]
        while True:
            following.switch()

    for i in range(1, n):
        ring.append(greenlet.greenlet(member))
        ring[i].switch(i)
    following = ring[1]
    for turns in harness.batches(n):
        for _ in range(turns):
            following.switch()


def nothing():
    pass


def spawn_join(n):
    for turns in harness.batches(n):
        for _ in range(turns):
            for made in [greenlet.greenlet(nothing) for _ in range(n)]:
                made.switch()


def park(n):
    """Bytes and nanoseconds for a greenlet."""
    main = greenlet.getcurrent()
    parked = []

    def waits():
        main.switch()

    before, begun = harness.memory(), harness.now()
    for _ in range(n):
        made = greenlet.greenlet(waits)
        made.switch()
        parked.append(made)
    took = harness.now() - begun
    return (harness.memory() - before) / n, took / n


harness.main(
    f"greenlet {greenlet.__version__}, {platform.python_implementation()} "
    f"{platform.python_version()}",
    [
        ("switch", (2, 1000), switch),
        ("spawn-join", (1, 10000), spawn_join),
        ("parked-bytes", (10000, 100000, 1000000), lambda n: harness.once(park(n)[0])),
        ("create", (10000, 100000, 1000000), lambda n: harness.once(park(n)[1])),
    ],
)
