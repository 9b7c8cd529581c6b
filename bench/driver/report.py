# SPDX-License-Identifier: MIT
"""build/bench/report.html: everything that a run found, in one file that needs no network."""

import html
import os
import re

import plot
import stats
import table
import targets as T

STYLE = os.path.join(os.path.dirname(__file__), "..", "report.css")

# What is plotted against n, and what a turn of it is.
VARIABLES = [
    ("get", "reading a variable"),
    ("get-each", "reading one variable after the other, round all of them"),
    ("get-first", "the first read after a switch to another context"),
    ("set", "writing a variable, unshared; the token is dropped"),
    ("set-reset", "writing it, and undoing that by its token"),
    ("first-set", "copying the context, the first write after that, dropping the copy"),
    ("copy-drop", "copying the context, and dropping the copy"),
    ("enter-exit", "entering a context and leaving it"),
    ("run", "running a function in a context"),
]
TASKS = [
    ("yield", "one task lets the next one run, each with a context of its own"),
    ("yield-bare", "the same without contexts of their own"),
    ("switch", "stacks switched without a scheduler"),
]
# What is shown as bars, with the n that stands for it.
BARS = [
    ("spawn-join", 1, "a task spawned, run and joined, one after the other"),
    ("spawn-join", 10000, "the same, 10,000 spawned before the first one runs"),
    ("spawn-inherit", 8, "the same one after the other, with eight variables inherited"),
    ("channel", 1, "a message between two tasks of one worker"),
    ("channel", 2, "a message between tasks of two workers"),
    ("wake-spinning", 2, "a task wakes one on another worker, which is awake"),
    ("wake-idle", 2, "the same, and the worker has just run out of work"),
    ("wake-asleep", 2, "the same, and the worker is asleep"),
    ("timer", 1000000, "a timer armed among a million, which fires"),
    ("timer-cancel", 1000000, "a timer armed among a million, and cancelled"),
]
MEMORY = [
    ("parked-bytes", "memory of a parked task, page tables included"),
    ("create", "time until a task is made and parked"),
]
READS = ["tls-read-local-exec", "tls-read-initial-exec", "tls-read-global-dynamic",
         "tls-read-tlsdesc", "pthread-get", "tss-get", "key-get", "get", "local-get", "proxy-get"]
WRITES = ["tls-write-local-exec", "tls-write-initial-exec", "tls-write-global-dynamic",
          "tls-write-tlsdesc", "pthread-set", "tss-set", "key-set", "set-plain", "local-set"]


# How the cells with these words look.
VERDICTS = {T.AIM: "good", T.MISSES: "bad"}


def escape(words):
    return html.escape(str(words))


def grid(head, rows):
    """A table; the first cell of a row is its head."""
    lines = ['<div class="wide"><table><thead><tr>']
    lines += [f'<th scope="col">{escape(cell)}</th>' for cell in head]
    lines.append("</tr></thead><tbody>")
    for row in rows:
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        for cell in row[1:]:
            kind = VERDICTS.get(str(cell).rstrip(T.STAR)) or \
                ("n" if re.match(r"[~-]?\d[\d.,]*[xkM]?$", str(cell)) else "")
            cells.append(f'<td class="{kind}">{escape(cell)}</td>' if kind else
                         f"<td>{escape(cell)}</td>")
        lines.append("<tr>" + "".join(cells) + "</tr>")
    lines.append("</tbody></table></div>")
    return "\n".join(lines)


def figure(drawing, caption, head, rows, notes=()):
    parts = ["<figure>", f'<div class="wide">{drawing}</div>',
             f"<figcaption>{escape(caption)}</figcaption>"]
    if notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>")
    parts += ["<details><summary>The numbers</summary>", grid(head, rows), "</details>",
              "</figure>"]
    return "\n".join(parts)


def summary_cells(result):
    s = result.summary
    known = abs(s.low) != float("inf")
    return [table.number(s.min), ("~" if s.doubt else "") + table.number(s.median),
            table.number(s.mad), f"{table.number(s.low)} to {table.number(s.high)}" if known else "?",
            s.rounds]


def kind_of(result):
    return {"own": "own", "floor": "floor"}.get(result.role, "peer")


def name_of(result):
    return "nook" if result.role == "own" else result.label


class Report:
    def __init__(self, run, targets):
        self.run, self.targets = run, targets
        self.plots = 0

    def identity(self):
        self.plots += 1
        return f"p{self.plots}"

    # --- against n

    def series(self, metric):
        """Everybody who measured it, and its floor."""
        everybody = [one for one in self.run.programs(metric) if one.role != "variant"]
        found = []
        for one in everybody:
            points = [(r.n, r.summary.min) for r in self.run.results
                      if (r.metric, r.program) == (metric, one.program)
                      and r.n > 0 and r.summary.min > 0]
            found.append(plot.Series(name_of(one), points, kind_of(one)))
        ns = self.run.ns(metric)
        floor_name = self.targets.of(metric, ns[0]).get("floor") if ns else None
        if floor_name and self.run.floor(floor_name, ns[0]):
            points = [(n, self.run.floor(floor_name, n).summary.min) for n in ns
                      if n > 0 and self.run.floor(floor_name, n)]
            found.append(plot.Series("floor", points, "floor"))
        return [one for one in found if one.points]

    @staticmethod
    def growth(one, unit):
        return stats.Growth(one.points).sentence(unit) if len(one.points) > 2 else ""

    def against_n(self, metric, words, x_words, unit="ns"):
        series = self.series(metric)
        if not any(len(one.points) > 1 for one in series):
            return ""
        ns = sorted({n for one in series for n, _ in one.points})
        rows = []
        for one in series:
            costs = dict(one.points)
            rows.append([one.name, *[table.number(costs[n]) if n in costs else "" for n in ns],
                         *([self.growth(one, unit)] if len(ns) > 2 else [])])
        own = [f"{one.name} is {self.growth(one, unit)}"
               for one in series if one.kind == "own" and len(one.points) > 2]
        drawing = plot.lines(self.identity(), f"{metric}: {words}",
                             "Cost against n; the table below has the numbers.", series,
                             x_words, "ns (log)" if unit == "ns" else f"{unit} (log)")
        return (f'<h3 id="{metric}">{escape(metric)}</h3>\n' +
                figure(drawing, f"{words[0].upper()}{words[1:]}. {unit}, minimum.",
                       ["", *[f"{n:,}" for n in ns], *(["growth"] if len(ns) > 2 else [])],
                       rows, own))

    # --- bars

    def bars(self, results, words, floor, title, identity, label=name_of, unit="ns"):
        if not results:
            return ""
        series = [plot.Series(label(r), [(r.n, r.summary.min)], kind_of(r)) for r in results]
        best_first = sorted(results, key=lambda r: r.summary.min)
        drawing = plot.bars(self.identity(), title, words, series,
                            floor.summary.min if floor else None, unit)
        rows = [[label(r), *summary_cells(r)] for r in best_first]
        if floor:
            rows.append(["floor", *summary_cells(floor)])
        return (f'<h3 id="{identity}">{escape(title)}</h3>\n' +
                figure(drawing, f"{words[0].upper()}{words[1:]}. {unit}, minimum.",
                       ["", "min", "median", "MAD", "95 % interval", "rounds"], rows))

    def metric_bars(self, metric, n, words, unit="ns"):
        results = [r for r in self.run.results
                   if (r.metric, r.n) == (metric, n) and r.role != "variant"]
        floor_name = self.targets.of(metric, n).get("floor")
        floor = self.run.floor(floor_name, n) if floor_name else None
        return self.bars(results, words, floor, f"{metric} {n:,}", f"{metric}-{n}", unit=unit)

    def storage_bars(self, metrics, title, identity, words):
        found = [self.run.find(metric, 1) for metric in metrics]
        floor = self.run.find("floor-call", 1)
        return self.bars([r for r in found if r], words, floor, title, identity,
                         label=lambda r: r.metric.replace("tls-read-", "").replace(
                             "tls-write-", ""))

    # --- tables

    def verdicts(self):
        rows = []
        for result in self.run.results:
            if result.role != "own":
                continue
            judged = self.targets.judge(self.run, result)
            if judged.verdict == T.NONE:
                continue
            opponents = [f"{table.bare_name(o.name)} " + ("?" if o.figure is None else table.number(o.figure))
                         + ("°" if o.recorded else "") for o in judged.opponents]
            rows.append([f"{result.metric} {result.n:,}", table.number(result.summary.min),
                         ("~" if result.summary.doubt else "")
                         + table.number(result.summary.median),
                         table.floors(judged),
                         table.best_peer(judged), "; ".join(opponents),
                         table.aim(judged),
                         judged.verdict + judged.star])
        return grid(["metric, n", "min", "median", "floors", "best peer takes", "must beat", "aim",
                     "verdict"], rows)

    def checks(self):
        rows = []
        for r in self.run.results:
            other = self.run.find(r.metric, r.n, role="variant")
            if r.role == "own" and other and r.summary.min > 0:
                rows.append([f"{r.metric} {r.n:,}", table.number(r.summary.min),
                             table.number(other.summary.min),
                             table.ratio(other.summary.min / r.summary.min)])
        return grid(["metric, n", "nook", "with NOOK_CHECKS", "times"], rows) if rows else ""

    def everything(self):
        rows = [[f"{r.metric} {r.n:,}", name_of(r) if r.role != "variant" else r.label,
                 *summary_cells(r), r.unit] for r in self.run.results]
        return grid(["metric, n", "of", "min", "median", "MAD", "95 % interval", "rounds", "unit"],
                    rows)

    def missing(self):
        if not self.run.skipped:
            return "<p>Everything was measured.</p>"
        return "<dl>" + "".join(f"<dt>{escape(who)}</dt><dd>{escape(why)}</dd>"
                                for who, why in self.run.skipped.items()) + "</dl>"

    def versions(self):
        return "<ul>" + "".join(f"<li>{escape(words)}</li>"
                                for words in sorted(set(self.run.what.values()))) + "</ul>"

    # --- the page

    def sections(self):
        many = [n for n in self.run.ns("parked-bytes")]
        yield ("targets", "Against the targets", [
            "<p>Each row: what nook takes, how many times the floor that is, how many times as much "
            "the quickest other library of this run takes, whom nook must beat, and what was aimed "
            "at. Figures are in ns, those of memory in bytes. A sign ° marks a peer that was not part of "
            "this run: its figure is a recorded one, scaled by the floor of both runs. "
            "A sign ~ marks a median whose 95 % interval is wider than "
            f"{stats.Summary.LIMIT:.0%} of it.</p>", self.verdicts(),
            "<ul>" + "".join(f"<li><b>{escape(v)}</b>: {escape(T.WORDS[v])}</li>"
                             for v in (T.AIM, T.BEATS, T.MISSES, T.OPEN)) +
            f"<li><b>{T.STAR}</b>: {escape(T.STAR_WORDS)}</li></ul>"])
        yield ("variables", "Cost against the number of variables",
               [self.against_n(m, words, "variables that are bound") for m, words in VARIABLES])
        yield ("tasks", "Cost against the number of tasks",
               [self.against_n(m, words, "tasks") for m, words in TASKS])
        yield ("storages", "Thread-locals and context variables",
               [self.storage_bars(READS, "Reads", "reads", "one read by each kind of storage"),
                self.storage_bars(WRITES, "Writes", "writes", "one write by each kind")])
        yield ("operations", "What tasks do", [self.metric_bars(*one) for one in BARS])
        yield ("memory", "Memory",
               [self.against_n(m, words, "tasks", "bytes" if m == "parked-bytes" else "ns")
                for m, words in MEMORY] +
               [self.metric_bars("parked-bytes", many[-1], MEMORY[0][1], "bytes")
                if many else ""])
        yield ("checks", "What the checks cost", [self.checks()])
        yield ("all", "All figures", [self.everything()])
        yield ("missing", "What was not measured", [self.missing()])
        yield ("versions", "What was measured", [self.versions()])

    def page(self):
        with open(STYLE, encoding="utf-8") as file:
            style = file.read()
        sections = [(key, title, [part for part in parts if part])
                    for key, title, parts in self.sections()]
        sections = [section for section in sections if section[2]]
        links = " ".join(f'<a href="#{key}">{escape(title)}</a>' for key, title, _ in sections)
        body = "\n".join(f'<section id="{key}" aria-labelledby="{key}-h"><h2 id="{key}-h">'
                         f"{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>"
                         for key, title, parts in sections)
        facts = "".join(f"<li>{escape(line)}</li>" for line in table.heading(self.run))
        return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
                f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
                f"<title>What ambient state costs</title>\n<style>\n{style}</style>\n</head>\n"
                f"<body>\n<header>\n<h1>What ambient state costs</h1>\n<ul>{facts}</ul>\n"
                f"<nav aria-label=\"Sections\">{links}</nav>\n</header>\n<main>\n{body}\n</main>\n"
                f"</body>\n</html>\n")


def write(run, targets, path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(Report(run, targets).page())
