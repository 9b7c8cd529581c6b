# SPDX-License-Identifier: MIT
"""CPython's own tests, from where the interpreter keeps them, on nook's contextvars.

    python3 cpython.py DIRECTORY-OF-NOOKVARS contextvars|asyncio [PAGE]

With PAGE, what it prints must stand there as what this command printed, if that
was with the same CPython. A test that is skipped or fails as expected counts as
not passed. HamtTest of test_context does not carry over: it tests the interpreter's
own map, by a hook of its own, and not what a program can see of contextvars.
"""
import replaced

import importlib
import platform
import re
import sys
import unittest

SUITES = {
    "contextvars": ["test_context.ContextTest"],
    "asyncio": [
        "test_asyncio.test_base_events",
        "test_asyncio.test_context",
        "test_asyncio.test_futures.PyFutureTests",
        "test_asyncio.test_futures.PyFutureDoneCallbackTests",
        "test_asyncio.test_locks",
        "test_asyncio.test_queues",
        "test_asyncio.test_runners",
        "test_asyncio.test_taskgroups",
        "test_asyncio.test_tasks.PyTask_PyFuture_Tests",
        "test_asyncio.test_tasks.PyTask_PyFuture_SubclassTests",
        "test_asyncio.test_threads",
        "test_asyncio.test_timeouts",
        "test_asyncio.test_waitfor",
    ],
}


def load(name):
    """The tests of `test.<module>` or `test.<module>.<class>`."""
    loader = unittest.TestLoader()
    try:
        return loader.loadTestsFromModule(importlib.import_module("test." + name))
    except ModuleNotFoundError:
        module, _, case = name.rpartition(".")
        found = importlib.import_module("test." + module)
        return loader.loadTestsFromTestCase(getattr(found, case))


printed = []


def say(line):
    printed.append(line)
    print(line, flush=True)


def run(name):
    """Prints the counts of one suite; True if all of it passed."""
    suite = load(name)
    result = unittest.TestResult()
    total = suite.countTestCases()
    suite.run(result)
    bad = result.errors + result.failures
    missed = len(bad) + len(result.skipped) + len(result.expectedFailures)
    say(f"{result.testsRun - missed} of {total} pass: {name}")
    for test, why in bad + result.skipped + result.expectedFailures:
        print(f"    {test}: {why}")
    return total > 0 and result.wasSuccessful() and missed == 0


def quoted(page):
    """Does the page say what was printed? It may speak of another CPython."""
    with open(page, encoding="utf-8") as file:
        text = file.read()
    command = re.escape(f"cpython.py build/dev/tests/interpreter {sys.argv[1]}\n")
    said = re.search(rf"^\$ python3 \S*{command}(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    if said is None:
        print(f"{page} does not quote this command")
        return False
    lines = said[1].splitlines()
    if lines[0] == printed[0] and lines != printed:
        print(f"{page} says otherwise:", *lines, sep="\n    ")
        return False
    return True


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in SUITES:
        sys.exit(__doc__)
    replaced.check()
    say(f"CPython {platform.python_version()}'s tests on nook's context variables")
    passed = [run(name) for name in SUITES[sys.argv[1]]]
    return 0 if all(passed) and all(map(quoted, sys.argv[2:])) else 1


sys.exit(main())
