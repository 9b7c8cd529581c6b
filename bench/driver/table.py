# SPDX-License-Identifier: MIT
"""The table in the terminal, in at most 80 columns."""

import re

import stats
import targets as T

WIDTH = 80


def number(value):
    """Four digits that matter, and thousands set apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 100 else f"{value:.2f}"


def ratio(value):
    if value < 0.001:
        return "<0.001x"
    return f"{value:.2g}x" if value < 9.95 else f"{value:,.0f}x"


def heading(run):
    """Who measured what, where and how."""
    m = run.machine
    parts = [f"{m['cores']} x {m['cpu']}", m["kernel"], m["libc"]]
    if m.get("memory_gib"):
        parts.insert(1, f"{m['memory_gib']} GiB")
    programs = sorted({run.what[r.program] for r in run.results if r.role == "own"})
    lines = programs + [", ".join(parts)]
    lines.append(f"{run.date[:10]}, {run.rounds} interleaved rounds" +
                 (", quick: rough figures" if run.quick else ""))
    if m.get("load", 0) > 0.5:
        lines.append(f"the machine was busy with something else (load {m['load']})")
    return lines


def bare_name(label):
    """Without the version or the commit, which are told elsewhere."""
    return re.sub(r" (v?\d[\d.]*|[0-9a-f]{7,})$", "", label)


def best_peer(judged):
    """The quickest peer, with how many times our figure it takes."""
    if judged.best_takes is None:
        return ""
    return f"{ratio(judged.best_takes)} {bare_name(judged.best.label)}"


FORMAT = "{:<14.14} {:>5} {:>8} {:>9} {:>5} {:>6} {:<19.19} {:<6}"
FLOORS = "{:<25.25} {:>7} {:>8} {:>9} {:>5}"


def how_many(n):
    return f"{n:,}".replace(",000,000", "M").replace(",000", "k")


def figures(r):
    """n, min, median, and half the interval's width."""
    s = r.summary
    spread = "?" if s.width == float("inf") else f"{s.width * 50:.0f}%"
    if len(spread) > 4:
        spread = ">500%"
    return how_many(r.n), number(s.min), ("~" if s.doubt else "") + number(s.median), spread


def floors(judged):
    """How many times the floor; to three digits where both were measured in turn."""
    if not judged.floors:
        return ""
    return f"{judged.floors:.3g}x" if judged.paired else ratio(judged.floors)


def aim(judged):
    if judged.paired:
        return f"{judged.aim_floors}x"
    return number(judged.aim) if judged.aim else ""


def between(pair):
    """The interval of a ratio."""
    if abs(pair.low) == float("inf"):
        return "too few rounds for an interval"
    return f"{pair.low:.3g} to {pair.high:.3g}"


def row(judged):
    r = judged.result
    return FORMAT.format(r.metric, *figures(r), floors(judged), best_peer(judged),
                         judged.verdict + judged.star).rstrip()


def span(figures_):
    """One figure, or from the least to the most."""
    ends = [number(figure) for figure in (min(figures_), max(figures_))]
    return " to ".join(dict.fromkeys(ends))


def grouped(found):
    """
    Lines of "metric n, n: text" for (result, text, figure or None), those of one text
    together, with all their figures.
    """
    groups = {}
    for result, text, figure in found:
        groups.setdefault((result.metric, text), []).append((result.n, figure))
    lines = []
    for (metric, text), each in groups.items():
        known = [figure for _, figure in each if figure is not None]
        ns = ", ".join(how_many(n) for n, _ in each)
        lines.append(f"{metric} {ns}: {text.format(span(known) if known else '')}")
    return lines


def doubts(shown):
    """Figures that are not to be trusted, in one line."""
    names = {}
    for r in shown:
        if r.summary.doubt:
            names.setdefault(r.metric, []).append(how_many(r.n))
    return "; ".join(f"{metric} {', '.join(ns)}" for metric, ns in names.items())


def opponents(judged_rows):
    """What was not beaten, or could not be compared."""
    found = []
    for j in judged_rows:
        if not j.measured:
            found.append((j.result, "less than what is subtracted, which says nothing", None))
            continue
        for o in j.opponents:
            name = bare_name(o.name)
            if o.figure is None:
                found.append((j.result, f"{name} was not measured", None))
            elif j.result.summary.min >= o.figure:
                how = " (recorded elsewhere, scaled by the floor)" if o.recorded else ""
                found.append((j.result, f"{name} {{}}{how}", o.figure))
    return grouped(found)


def wrap(text, indent="  "):
    """Lines of at most WIDTH."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = indent + word
        else:
            line = f"{line} {word}" if line else word
    return lines + [line]


def render(run, targets, program="nook"):
    """The whole table as lines."""
    shown = [r for r in run.results if r.program == program]
    bare = [r for r in run.results if r.role == "floor"]
    judged = [targets.judge(run, r) for r in shown]
    lines = [wrapped for text in heading(run) for wrapped in wrap(text)]
    if shown:
        lines += ["", FORMAT.format("ns or bytes", "n", "min", "median", "+-", "floors",
                                    "best peer takes", "target").rstrip()]
        lines += [row(j) for j in judged]
        if any(j.star for j in judged):
            lines += [f"{T.STAR} {T.STAR_WORDS}"]
    if bare:
        lines += ["", FLOORS.format("floors and thread-locals", "n", "min", "median", "+-")]
        lines += [FLOORS.format(r.metric.removeprefix("floor-"), *figures(r)) for r in bare]
    notes = opponents(judged)
    if notes:
        lines += ["", "Not beaten, or not compared:"] + notes
    notes = [f"{j.result.metric} {how_many(j.result.n)}: {floors(j)}, {between(j.result.ratio)}; "
             f"the aim is {aim(j)}" for j in judged if j.paired and j.floors]
    if notes:
        lines += ["", "Floors measured in turn, pair by pair, with 95 % intervals:"] + notes
    notes = doubts(shown + bare)
    if notes:
        lines += ["", f"Doubtful (~), because the 95 % interval of the median is wider than "
                      f"{stats.Summary.LIMIT:.0%} of it, or of one round; measure again on a "
                      f"quiet machine: {notes}"]
    if run.skipped:
        lines += ["", "Not measured:"] + [f"{who}: {why}" for who, why in run.skipped.items()]
    return [wrapped for text in lines for wrapped in
            ([text] if len(text) <= WIDTH else wrap(text))]
