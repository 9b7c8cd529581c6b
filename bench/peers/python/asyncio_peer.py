# SPDX-License-Identifier: MIT
"""asyncio: coroutines of Python, each task in a context of its own. A `yield` is sleep(0); a
`channel` is a pair of queues; a `spawn-join` is create_task, which copies the context, and
await; a timer is call_later. A parked task waits for an Event."""

import asyncio
import platform
import random

import harness


def running(function):
    return lambda n: asyncio.run(function(n))


async def yields(n):
    async def other():
        while True:
            await asyncio.sleep(0)

    others = [asyncio.create_task(other()) for _ in range(n - 1)]
    await asyncio.sleep(0)
    for turns in harness.batches(n):
        for _ in range(turns):
            await asyncio.sleep(0)
    for task in others:
        task.cancel()


async def nothing():
    pass


async def spawn_join(n):
    for turns in harness.batches(n):
        for _ in range(turns):
            for task in [asyncio.create_task(nothing()) for _ in range(n)]:
                await task


async def channel(_):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def answers():
        while True:
            await back.put(await there.get())

    task = asyncio.create_task(answers())
    for turns in harness.batches(2):
        for turn in range(turns):
            await there.put(turn)
            await back.get()
    task.cancel()


async def timer_cancel(n):
    loop = asyncio.get_running_loop()
    delays = [3600 + random.random() for _ in range(n)]
    for turns in harness.batches(n):
        for _ in range(turns):
            for handle in [loop.call_later(delay, nothing) for delay in delays]:
                handle.cancel()
            # Here the loop takes the cancelled ones out.
            await asyncio.sleep(0)


async def park(n):
    """Bytes and nanoseconds for a task."""
    never = asyncio.Event()
    tasks = []
    before, begun = harness.memory(), harness.now()
    for _ in range(n):
        tasks.append(asyncio.create_task(never.wait()))
    await asyncio.sleep(0)
    took = harness.now() - begun
    bytes_all = harness.memory() - before
    never.set()
    return bytes_all / n, took / n


async def parked_bytes(n):
    harness.once((await park(n))[0])


async def create(n):
    harness.once((await park(n))[1])


harness.main(
    f"asyncio of {platform.python_implementation()} {platform.python_version()}",
    [
        ("yield", (2, 1000, 100000), running(yields)),
        ("spawn-join", (1, 10000), running(spawn_join)),
        ("channel", (1,), running(channel)),
        ("timer-cancel", (1000000,), running(timer_cancel)),
        ("parked-bytes", (10000, 100000, 1000000), running(parked_bytes)),
        ("create", (10000, 100000, 1000000), running(create)),
    ],
)
