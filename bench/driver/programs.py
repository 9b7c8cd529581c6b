# SPDX-License-Identifier: MIT
"""Measuring programs: finding them, asking what they can, running them (see ../README.md)."""

import os
import subprocess

CANNOT = 77

# What a program is to the others.
OWN, VARIANT, FLOOR, PEER = "own", "variant", "floor", "peer"


class Cannot(Exception):
    """It cannot be measured here; the reason."""


class Failed(Exception):
    """It should have been measured, and was not; the reason."""


def role_of(name):
    if name.endswith("_checked"):
        return VARIANT
    if name.startswith("floor") or name == "tls":
        return FLOOR
    return OWN


class Program:
    """An executable that speaks the protocol."""

    def __init__(self, path, role):
        self.path = path
        self.file = os.path.basename(path)
        self.role = role
        self.what, self.entries = self._list()
        # "State Threads 1.9" of "State Threads 1.9, gcc 12.2.0".
        self.label = self.what.split(",")[0].strip()
        # What a program is called among the results: all of ours are one.
        self.name = {OWN: "nook", VARIANT: "nook-checked", FLOOR: "floor"}.get(role, self.file)

    def _list(self):
        out = self._run(["--list"], timeout=60)
        lines = out.splitlines()
        if not lines or not lines[0].startswith("# "):
            raise Failed(f"{self.file} --list: the first line is no '# WHAT'")
        entries = []
        for text in lines[1:]:
            metric, tab, n = text.partition("\t")
            if not tab or not n.isdigit():
                raise Failed(f"{self.file} --list: '{text}' is no 'METRIC<TAB>N'")
            entries.append((metric, int(n)))
        return lines[0][2:].strip(), entries

    def sample(self, metric, n, samples, cores=None, timeout=600):
        """
        The samples of one fresh process, pinned to `cores` where given; and what was measured
        beside each of them: as many, or none.
        """
        out = self._run([metric, str(n), str(samples)], cores, timeout)
        try:
            lines = [[float(word) for word in text.split()] for text in out.splitlines()]
        except ValueError:
            raise Failed(f"{self.file} {metric} {n}: not numbers: {out[:80]!r}") from None
        if len(lines) != samples:
            raise Failed(f"{self.file} {metric} {n}: {len(lines)} samples, not {samples}")
        columns = list(zip(*lines))
        if len(columns) not in (1, 2) or any(len(line) != len(columns) for line in lines):
            raise Failed(f"{self.file} {metric} {n}: neither numbers nor pairs: {out[:80]!r}")
        return list(columns[0]), list(columns[1]) if len(columns) == 2 else []

    def _run(self, arguments, cores=None, timeout=600):
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        words = " ".join([self.file, *arguments])
        try:
            done = subprocess.run([self.path, *arguments], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=timeout,
                                  preexec_fn=pin, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"{words}: nothing after {timeout} s") from None
        except OSError as error:
            raise Failed(f"{words}: {error}") from None
        said = done.stderr.strip().splitlines()
        last = said[-1] if said else "it does not say why"
        if done.returncode == CANNOT:
            raise Cannot(last)
        if done.returncode != 0:
            raise Failed(f"{words}: exit {done.returncode}: {last}")
        return done.stdout


def executables(folder):
    """What can be run there, by name; scripts as well."""
    if not os.path.isdir(folder):
        return []
    found = [entry.path for entry in os.scandir(folder)
             if entry.is_file() and os.access(entry.path, os.X_OK)
             and not entry.name.endswith(".so")]
    return sorted(found)


def find(own, peers=None):
    """
    The programs in the folder `own`, and in `peers` where given; and {name: why} of those
    that are missing. A peer that could not be built leaves a file NAME.skipped with the reason.
    """
    programs, missing = [], {}
    for folder in [own, peers] if peers else [own]:
        for path in executables(folder):
            name = os.path.basename(path)
            try:
                programs.append(Program(path, PEER if folder == peers else role_of(name)))
            except (Cannot, Failed) as why:
                missing[name] = str(why)
    if peers and os.path.isdir(peers):
        for entry in sorted(os.listdir(peers)):
            if entry.endswith(".skipped"):
                with open(os.path.join(peers, entry), encoding="utf-8") as file:
                    missing[entry.removesuffix(".skipped")] = " ".join(file.read().split())
    return programs, missing
