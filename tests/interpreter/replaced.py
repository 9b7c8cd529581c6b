# SPDX-License-Identifier: MIT
"""Puts nook's contextvars in the place of the interpreter's, for this process.

Import it before anything that imports contextvars. The directory of the
extension is the program's first argument.

What CPython's C code keeps in contexts by its own C functions cannot be
replaced: asyncio and decimal are held to their versions in Python.
"""
import sys

if len(sys.argv) < 2:
    sys.exit(f"usage: {sys.argv[0]} DIRECTORY-OF-NOOKVARS [ARGUMENT...]")

early = {"contextvars", "_contextvars", "asyncio", "decimal"} & sys.modules.keys()
if early:
    sys.exit(f"too late to replace contextvars: {', '.join(sorted(early))} loaded already")

sys.path.insert(0, sys.argv.pop(1))

import nookvars  # noqa: E402

sys.modules["contextvars"] = sys.modules["_contextvars"] = nookvars
for in_c in ("_asyncio", "_decimal"):
    sys.modules[in_c] = None  # importing it fails, and the fallback is taken


def check():
    """That it worked: whatever runs after this runs on nook."""
    import asyncio.events
    import asyncio.futures
    import asyncio.tasks
    import _pydecimal
    import decimal  # noqa: F401

    for module in (asyncio.events, asyncio.futures, asyncio.tasks):
        assert module.contextvars is nookvars, module
    assert asyncio.Task is asyncio.tasks._PyTask
    assert asyncio.Future is asyncio.futures._PyFuture
    assert type(_pydecimal._current_context_var) is nookvars.ContextVar
    assert sys.modules["decimal"].Decimal is _pydecimal.Decimal
