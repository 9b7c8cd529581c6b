#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
check_performance.py ROOT: docs/performance.md is what `./dev bench --document` makes of the
words in bench/performance.in.md: word for word the same but for what was filled in, nothing
left to fill in. The words hold no figure that somebody typed, and name their command.
"""

import os
import re
import sys

ROOT = sys.argv[1]
sys.path.insert(0, os.path.join(ROOT, "bench/driver"))

import document  # noqa: E402

# Sizes that are chosen, as a page of 4 KiB, are no measurements.
TYPED = re.compile(r"\b\d[\d,.]*\s*(?:%|(?:ns|µs|us|ms|s|bytes?|B|cycles|instructions|times|x)\b)")
COMMAND = "./dev bench --peers --document"


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def pattern_of(words):
    """What any page made of these words matches: what is filled in may be anything."""
    asked = re.compile(f"(?m:{document.BLOCK.pattern})|{document.FIGURE.pattern}")
    at, parts = 0, []
    for one in asked.finditer(words):
        parts.append(re.escape(words[at:one.start()]))
        parts.append("[^{}]+?" if one.group(0).count(" ") or one.group(1) else "[^{}\\n]+?")
        at = one.end()
    return re.compile("".join(parts) + re.escape(words[at:]), re.DOTALL)


def complaints(words, page):
    if not pattern_of(words).fullmatch(page):
        yield "docs/performance.md is not what bench/performance.in.md says: make it anew"
    for typed in TYPED.finditer(words.replace("95 % interval", "")):
        yield f"bench/performance.in.md has a figure typed by hand: {typed.group(0)}"
    if COMMAND not in page:
        yield f"docs/performance.md does not name its command, {COMMAND}"
    for left in re.findall(r"\{[^}\n]*\}", page):
        yield f"docs/performance.md has something that was not filled in: {left}"


found = list(complaints(read("bench/performance.in.md"), read("docs/performance.md")))
print("\n".join(found) if found else "docs/performance.md is as it was made")
sys.exit(1 if found else 0)
