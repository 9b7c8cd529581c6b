# SPDX-License-Identifier: MIT
"""For CMake: prints where this interpreter's headers lie, or says why it will not do."""
import importlib.util
import os
import platform
import sys
import sysconfig


def headers():
    if platform.python_implementation() != "CPython" or sys.version_info < (3, 11):
        sys.exit(f"{sys.executable} is no CPython of 3.11 or later")
    paths = {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}
    if not any(os.path.exists(os.path.join(path, "Python.h")) for path in paths):
        sys.exit(f"{sys.executable} has no headers (Debian: python3-dev)")
    if importlib.util.find_spec("test.test_context") is None:
        sys.exit(f"{sys.executable} has no test suite (Debian: libpython3.11-testsuite)")
    return ";".join(sorted(paths))


print(headers())
