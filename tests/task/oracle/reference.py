# SPDX-License-Identifier: MIT
"""Plays programs from standard input on Python's asyncio, and prints what happened.

See programs.py for the language; play.c does the same on nook.

Every line of the log, its time, and the order of all lines are compared. That order is
promised where call_soon, the start of tasks, done callbacks and wake-ups are first-in
first-out. Where it is only how asyncio is made, the programs and the players see to it
that nobody can tell:

- Timers that are due at once fire in no promised order (a heap), and one that wakes a
  sleeper takes a turn of the loop more than one that calls. Times are random to many
  digits, so that nothing else happens in the turn in which a timer fires.
- gather wakes its caller a turn later than its last child is done, and to_thread two.
  Both sleep before they say anything, whatever ends them; cancels that come meanwhile
  count as one. So what they say is compared, and the turn in which it was known is not.
- A to_thread job takes no time. nook waits for it where asyncio's await can be
  cancelled; after that sleep it is the same.

What nook decided otherwise than Python 3.11 is told here:

- As since 3.13, uncancel to zero takes back a request that was not delivered.
- As since 3.12, a timeout ignores the requests that were there before it.
- A body that ends with a request undelivered has ended: its result is kept.
- Who runs in a context of its own may `run` it once more [A27].
- join says how a task ended; a cancelled one does not cancel who waits, unless the
  request came through who waits.
"""
import asyncio
import concurrent.futures
import contextvars
import sys
import threading

BLOCKS = {"run", "spawn", "soon", "later", "done", "thread", "timeout", "catch"}
LONG = 10**18


class Loop(asyncio.BaseEventLoop):
    """Jumps to the next timer where others would sleep."""

    def __init__(self):
        super().__init__()
        self.now = 0
        self._clock_resolution = 1
        self._selector = self
        self._default_executor = Elsewhere()
        self.set_task_factory(Task)

    def time(self):
        return self.now

    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        if timeout > 0:
            self.now = self._scheduled[0].when()

    def _process_events(self, events):
        pass

    def _write_to_self(self):
        pass


class Elsewhere(concurrent.futures.Executor):
    """Another thread, which is done when it was begun."""

    def submit(self, fn, *args):
        future = concurrent.futures.Future()
        thread = threading.Thread(target=lambda: future.set_result(fn(*args)))
        thread.start()
        thread.join()
        return future


class Task(asyncio.tasks._PyTask):
    """Its parts can be reached. `asked` counts the requests that ever came."""

    def __init__(self, loop, coro, **options):
        super().__init__(coro, loop=loop, **options)
        self.asked = 0

    def cancel(self, msg=None):
        self.asked += not self.done()
        return super().cancel(msg)

    def uncancel(self):
        left = super().uncancel()
        if left == 0:
            self._must_cancel = False
        return left


class Timeout(asyncio.Timeout):
    """3.12's, in any version."""

    async def __aenter__(self):
        self.before = asyncio.current_task().cancelling()
        return await super().__aenter__()

    async def __aexit__(self, kind, value, trace):
        expired = self.expired()
        try:
            await super().__aexit__(kind, value, trace)
        except TimeoutError:
            pass
        if expired and kind is not None and issubclass(kind, asyncio.CancelledError):
            if asyncio.current_task().cancelling() <= self.before:
                raise TimeoutError from value


class Failure(Exception):
    pass


class Return(Exception):
    pass


def text_of(value):
    return "none" if value is None else str(value)


def how(error):
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, TimeoutError):
        return "timeout"
    assert isinstance(error, Failure), error
    return f"error {error}"


def how_ended(task):
    if task.cancelled():
        return "cancelled"
    return how(task.exception()) if task.exception() else f"value {task.result()}"


class Handle:
    """What a callback is cancelled by."""

    def __init__(self, body):
        self.body, self.over, self.loops = body, False, None

    def __call__(self, *_):
        if not self.over:
            self.over = True
            self.body()

    def cancel(self):
        self.over = True
        if self.loops is not None:
            self.loops.cancel()


class Actor:
    """Who does what a body says: a task, a callback, a thread."""

    def __init__(self, program, name, own=None, time=None):
        self.program, self.name, self.own, self.time = program, name, own, time
        self.names = program.names

    def say(self, *words):
        time = self.program.loop.now if self.time is None else self.time
        print(time, self.name, *words)

    # --- bodies

    async def task(self, at):
        self.say("begins")
        try:
            await self.block(at)
            return 0
        except Return as value:
            return int(str(value))
        finally:
            asyncio.current_task()._must_cancel = False
            self.say("ends")

    def callback(self, at):
        self.say("begins")
        self.plain_block(at)

    def plain_block(self, at):
        while self.line(at)[0] != "end":
            at = self.plain(at)

    async def block(self, at):
        while self.line(at)[0] != "end":
            at = await self.step(at)

    def line(self, at):
        return self.program.lines[at]

    async def step(self, at):
        word, *rest = self.line(at)
        does = getattr(self, "wait_" + word, None)
        if does is None:
            return self.plain(at)
        await does(at + 1, *rest)
        return self.program.after(at)

    def plain(self, at):
        word, *rest = self.line(at)
        getattr(self, "do_" + word)(at + 1, *rest)
        return self.program.after(at)

    # --- contexts

    def do_var(self, _, name, *default):
        values = {"default": None if default[0] == "none" else int(default[0])} if default else {}
        self.names[name] = contextvars.ContextVar(name, **values)

    def do_context(self, _, name, kind):
        self.names[name] = contextvars.copy_context() if kind == "copy" else contextvars.Context()

    def do_set(self, _, var, value, token):
        if var in self.names:
            value = None if value == "none" else int(value)
            self.names[token] = self.names[var].set(value)

    def do_get(self, _, var):
        if var in self.names:
            try:
                self.say("get", var, text_of(self.names[var].get()))
            except LookupError:
                self.say("get", var, "unset")

    def do_reset(self, _, var, token):
        if var in self.names and token in self.names:
            self.say("reset", var, token, self.try_reset(self.names[var], self.names[token]))

    def try_reset(self, var, token):
        try:
            var.reset(token)
            return "ok"
        except RuntimeError:
            return "used"
        except ValueError as error:
            return "wrong-variable" if "different ContextVar" in str(error) else "wrong-context"

    def do_list(self, _, context):
        if context in self.names:
            pairs = ((int(var.name[1:]), text_of(value))
                     for var, value in self.names[context].items())
            self.say("list", context, *(f"v{n}={value}" for n, value in sorted(pairs)))

    def do_run(self, at, context):
        if context not in self.names:
            return
        if self.names[context] is self.own:
            self.inside(at, context)
        else:
            self.names[context].run(self.inside, at, context)

    def inside(self, at, context):
        self.say("run", context, "ok")
        self.plain_block(at)

    def given(self, context):
        """The argument context=."""
        if context == "empty":
            return {"context": contextvars.Context()}
        if context == "share":
            return {"context": asyncio.current_task()._context}
        return {"context": self.names[context]} if context in self.names else {}

    # --- tasks and callbacks

    def do_spawn(self, at, name, context):
        given = self.given(context)
        actor = Actor(self.program, name, given.get("context"))
        self.names[name] = self.program.loop.create_task(actor.task(at), **given)

    def new_handle(self, name, at, given):
        actor = Actor(self.program, name, given.get("context"))
        self.names[name] = Handle(lambda: actor.callback(at))
        return self.names[name]

    def do_soon(self, at, name, context):
        given = self.given(context)
        handle = self.new_handle(name, at, given)
        handle.loops = self.program.loop.call_soon(handle, **given)

    def do_later(self, at, name, time, context):
        given = self.given(context)
        handle = self.new_handle(name, at, given)
        handle.loops = self.program.loop.call_later(int(time), handle, **given)

    def do_done(self, at, name, task, context):
        if task in self.names:
            given = self.given(context)
            self.names[task].add_done_callback(self.new_handle(name, at, given), **given)

    def do_cancel_handle(self, _, name):
        if name in self.names:
            self.names[name].cancel()

    def do_cancel(self, _, name):
        if name in self.names:
            self.names[name].cancel()

    def do_cancelling(self, _, name):
        if name in self.names:
            self.say("cancelling", name, self.names[name].cancelling())

    def do_state(self, _, name):
        if name in self.names:
            task = self.names[name]
            self.say("state", name, how_ended(task) if task.done() else "alive")

    def do_return(self, _, value):
        raise Return(value)

    def do_fail(self, _, value):
        raise Failure(value)

    # --- waiting

    async def wait_uncancel(self, _):
        self.say("uncancel", asyncio.current_task().uncancel())

    async def wait_yield(self, _):
        await asyncio.sleep(0)
        self.say("yielded")

    async def wait_sleep(self, _, time):
        await asyncio.sleep(int(time))
        self.say("slept")

    async def wait_join(self, _, name):
        if name not in self.names:
            return
        me, task = asyncio.current_task(), self.names[name]
        waits, pending, asked = not task.done(), me._must_cancel, me.asked
        try:
            await task
        except (Failure, TimeoutError):
            pass
        except asyncio.CancelledError:
            if waits and (pending or me.asked > asked):
                raise
        self.say("join", name, how_ended(task))

    async def wait_await(self, _, name):
        if name in self.names:
            self.say("await", name, "value", await self.names[name])

    async def settle(self, time, what):
        """What it ended with, after a sleep that nobody can shorten."""
        result = None
        cancelled = False
        try:
            result = await what
        except asyncio.CancelledError:
            cancelled = True
        while True:
            try:
                await asyncio.sleep(int(time))
                break
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
        return result

    async def wait_gather(self, _, time, *names):
        tasks = [self.names[name] for name in names if name in self.names]
        await self.settle(time, asyncio.gather(*tasks, return_exceptions=True))
        self.say("gather", *map(how_ended, tasks))

    async def wait_thread(self, at, time):
        actor = Actor(self.program, self.name + "-thread",
                      time=self.program.loop.now)
        await self.settle(time, asyncio.to_thread(actor.plain_block, at))
        self.say("thread")

    async def wait_timeout(self, at, name, time):
        scope = Timeout(self.program.loop.now + int(time))
        self.names[name] = scope
        try:
            async with scope:
                await self.block(at)
        finally:
            self.say("timeout", name, "expired" if scope.expired() else "in-time")

    async def wait_reschedule(self, _, name, time):
        if name in self.names:
            try:
                self.names[name].reschedule(self.program.loop.now + int(time))
                self.say("reschedule", name, "ok")
            except RuntimeError:
                self.say("reschedule", name, "too-late")

    async def wait_expired(self, _, name):
        if name in self.names:
            self.say("expired", name, int(self.names[name].expired()))

    async def wait_catch(self, at):
        try:
            await self.block(at)
        except (Failure, TimeoutError, asyncio.CancelledError) as error:
            self.say("caught", how(error))


class Program:
    def __init__(self, lines):
        self.lines = lines + [["end"]]
        self.names = {}
        self.loop = Loop()

    def after(self, at):
        """The line after the statement that begins there."""
        depth = 0
        while True:
            depth += self.lines[at][0] in BLOCKS
            depth -= self.lines[at][0] == "end"
            at += 1
            if depth == 0:
                return at

    async def main(self):
        Actor(self, "main").do_spawn(0, "t0", "empty")
        await asyncio.sleep(LONG)
        for name, task in sorted(self.names.items()):
            if isinstance(task, Task):
                print(name, how_ended(task) if task.done() else "for-ever")

    def play(self):
        self.loop.set_exception_handler(complain)
        self.loop.run_until_complete(self.main())
        self.loop.close()


def complain(loop, context):
    """Nobody has to ask for a task's error; anything else is a mistake here."""
    if "never retrieved" not in context["message"]:
        sys.exit(f"{context}")


def main():
    lines = []
    for line in sys.stdin:
        words = line.split()
        if words[0] != "program":
            lines.append(words)
            continue
        if lines:
            Program(lines).play()
        print(*words)
        lines = []
    if lines:
        Program(lines).play()


main()
