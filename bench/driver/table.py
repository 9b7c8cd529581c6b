# SPDX-License-Identifier: MIT
"""The table in the terminal, in at most 80 columns."""

import stats

WIDTH = 80


def number(value):
    """Four digits that matter, and thousands set apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 100 else f"{value:.2f}"


def ratio(value):
    return f"{value:.2g}x" if value < 10 else f"{value:,.0f}x"


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


def best_peer(run, result):
    """The quickest peer, with how many times our figure it takes."""
    peers = run.peers(result.metric, result.n)
    if not peers or result.summary.min <= 0:
        return ""
    times = ratio(peers[0].summary.min / result.summary.min)
    return f"{times} {peers[0].label}"


FORMAT = "{:<14.14} {:>7} {:>8} {:>9} {:>5} {:>6} {:<17.17} {:<6}"
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


def row(run, judged):
    r = judged.result
    floors = ratio(judged.floors) if judged.floors else ""
    return FORMAT.format(r.metric, *figures(r), floors, best_peer(run, r), judged.verdict).rstrip()


def grouped(pairs):
    """Lines of "metric n, n: text" for (result, text), those with one text together."""
    groups = {}
    for result, text in pairs:
        groups.setdefault((result.metric, text), []).append(str(result.n))
    return [f"{metric} {', '.join(ns)}: {text}" for (metric, text), ns in groups.items()]


def doubts(shown):
    """Figures that are not to be trusted, and why."""
    return [f"~ {r.metric} {r.n}: {r.summary.doubt}" for r in shown if r.summary.doubt]


def opponents(judged_rows):
    """What was not beaten, or could not be compared."""
    pairs = []
    for j in judged_rows:
        for o in j.opponents:
            if o.figure is None:
                pairs.append((j.result, f"{o.name} was not measured"))
            elif j.result.summary.min >= o.figure:
                how = " (recorded elsewhere, scaled by the floor)" if o.recorded else ""
                pairs.append((j.result, f"{number(j.result.summary.min)}, {o.name} "
                                        f"{number(o.figure)}{how}"))
    return grouped(pairs)


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
        lines += [row(run, j) for j in judged]
    if bare:
        lines += ["", FLOORS.format("floors and thread-locals", "n", "min", "median", "+-")]
        lines += [FLOORS.format(r.metric.removeprefix("floor-"), *figures(r)) for r in bare]
    notes = opponents(judged)
    if notes:
        lines += ["", "Not beaten, or not compared:"] + notes
    notes = doubts(shown + bare)
    if notes:
        lines += ["", f"Doubtful, because the 95 % interval of the median is wider than "
                      f"{stats.Summary.LIMIT:.0%} of it; measure again on a quiet machine:"]
        lines += notes
    if run.skipped:
        lines += ["", "Not measured:"] + [f"{who}: {why}" for who, why in run.skipped.items()]
    return [wrapped for text in lines for wrapped in
            ([text] if len(text) <= WIDTH else wrap(text))]
