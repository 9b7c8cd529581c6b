# SPDX-License-Identifier: MIT
"""
docs/performance.md: the words of ../performance.in.md, with the figures of a run put in.

The words are written by hand and contain no figure that was measured; each is asked for:

  {METRIC/N}        nook's minimum, with its unit; {METRIC/N/floors}: how many times its
                    floor that is; {METRIC/N/instructions}: as many as bench/budget.txt has
  {table METRIC...} on a line of its own: the rows of these metrics, and how they grow
  {floors METRIC...}   the same of what is no library's, as it was measured
  {run} {versions} {verdicts} {missing}   on a line of its own: what their functions say
"""

import os
import re
import textwrap

import budget
import stats
import table
import targets as T

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = os.path.join(HERE, "..", "performance.in.md")
PAGE = os.path.join(HERE, "..", "..", "docs", "performance.md")

FIGURE = re.compile(r"\{([a-z]+(?:-[a-z]+)*)/(\d+)(?:/(floors|instructions))?\}")
BLOCK = re.compile(r"^\{([a-z]+)((?: [a-z-]+)*)\}$", re.MULTILINE)
HEAD = ["median", "95 % interval", "instructions", "floor", "best peer", "must beat", "aim",
        "verdict"]


class Missing(Exception):
    """The run, or the budget, does not have what the words ask for."""


def grid(head, rows):
    """A Markdown table, whose figures stand to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def bullets(lines):
    return "\n".join(textwrap.fill(line, 95, initial_indent="- ", subsequent_indent="  ",
                                   break_long_words=False, break_on_hyphens=False)
                     for line in lines)


def summary_cells(result):
    s = result.summary
    known = abs(s.low) != float("inf")
    return [table.number(s.min), ("~" if s.doubt else "") + table.number(s.median),
            f"{table.number(s.low)} to {table.number(s.high)}" if known else ""]


def row_name(result):
    return f"`{result.metric}` {table.how_many(result.n)}"


def opponent(one):
    figure = "?" if one.figure is None else table.number(one.figure)
    return f"{table.bare_name(one.name)} {figure}" + ("°" if one.recorded else "")


def star(judged):
    """As text, and no emphasis."""
    return "\\" + judged.star if judged.star else ""


class Document:
    def __init__(self, run, targets, counted):
        self.run, self.targets, self.counted = run, targets, counted

    # --- figures in the words

    def own(self, metric, n):
        """nook's result, or that of what is no library's."""
        result = self.run.find(metric, n, "nook") or self.run.find(metric, n, "floor")
        if result is None:
            raise Missing(f"{metric}/{n}")
        return result

    def figure(self, asked):
        metric, n, what = asked.group(1), int(asked.group(2)), asked.group(3)
        if what == "instructions":
            if (metric, n) not in self.counted:
                raise Missing(asked.group(0)[1:-1])
            return f"{self.counted[metric, n]:,.0f} instructions"
        result = self.own(metric, n)
        if what is None:
            return f"{table.number(result.summary.min)} {result.unit}"
        floors = self.targets.judge(self.run, result).floors
        if floors is None:
            raise Missing(asked.group(0)[1:-1])
        return f"{floors:.2g}" if floors < 9.95 else f"{floors:,.0f}"

    # --- blocks

    @staticmethod
    def floors_words(judged):
        words = table.floors(judged)
        return f"{words}, {table.between(judged.result.ratio)}" if judged.paired else words

    def row(self, result):
        judged = self.targets.judge(self.run, result)
        counted = self.counted.get((result.metric, result.n))
        floor = f"{table.number(judged.floor_figure)} ({self.floors_words(judged)})" \
            if judged.floors else ""
        best = f"{table.bare_name(judged.best.label)} {table.number(judged.best.summary.min)} " \
               f"({table.ratio(judged.best_takes)})" if judged.best_takes else ""
        return [row_name(result), *summary_cells(result), f"{counted:,.0f}" if counted else "",
                floor, best, ", ".join(opponent(one) for one in judged.opponents),
                table.aim(judged), judged.verdict + star(judged)]

    def growth(self, metric):
        """How it grows, where it was measured for so many n that this can be said."""
        found = [r for r in self.run.results if (r.metric, r.program) == (metric, "nook")]
        points = [(r.n, r.summary.min) for r in found]
        if len(points) < 3 or any(n <= 0 or least <= 0 for n, least in points):
            return []
        return [f"`{metric}` is {stats.Growth(points).sentence(found[0].unit)}"]

    def table(self, *metrics):
        """The rows of each metric, without the columns in which none has anything."""
        found = [r for m in metrics for r in self.run.results
                 if (r.metric, r.role) == (m, "own")]
        if not found:
            return "This run has not measured it."
        rows = [self.row(result) for result in found]
        head = [found[0].unit, "min", *HEAD]
        kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
        shown = grid([head[i] for i in kept], [[row[i] for i in kept] for row in rows])
        grown = bullets(line for metric in metrics for line in self.growth(metric))
        return f"{shown}\n\n{grown}" if grown else shown

    def floors(self, *metrics):
        found = [r for m in metrics for r in self.run.results
                 if (r.metric, r.role) == (m, "floor")]
        if not found:
            return "This run has not measured it."
        return grid([found[0].unit, "min", *HEAD[:2]],
                    [[row_name(result), *summary_cells(result)] for result in found])

    def run_facts(self):
        facts = [f"Measured with `{self.run.command}`" if self.run.command else "",
                 *table.heading(self.run)]
        return bullets(fact for fact in facts if fact)

    def versions(self):
        return bullets(sorted(set(self.run.what.values()), key=str.lower))

    def verdicts(self):
        """How many rows came to which verdict."""
        judged = [self.targets.judge(self.run, r) for r in self.run.results if r.role == "own"]
        lines = []
        for verdict in (T.AIM, T.BEATS, T.MISSES, T.OPEN):
            rows = [j for j in judged if j.verdict == verdict]
            names = {}
            for j in rows:
                names.setdefault(j.result.metric, []).append(
                    table.how_many(j.result.n) + star(j))
            told = "; ".join(f"`{metric}` {', '.join(ns)}" for metric, ns in names.items())
            lines.append(f"**{verdict}** ({T.WORDS[verdict]}): {told or 'none'}")
        return bullets(lines)

    def missing(self):
        return bullets(f"{who}: {why}" for who, why in self.run.skipped.items()) or \
            "Everything was measured."

    def block(self, asked):
        makers = {"run": self.run_facts, "versions": self.versions, "verdicts": self.verdicts,
                  "missing": self.missing, "table": self.table, "floors": self.floors}
        name, words = asked.group(1), asked.group(2).split()
        if name not in makers:
            raise Missing(asked.group(0)[1:-1])
        return makers[name](*words)

    def fill(self, words):
        """The whole page; or Missing, with all that the run does not have."""
        lacking = []

        def put(asked, maker):
            try:
                return maker(asked)
            except Missing as what:
                lacking.append(str(what))
                return ""

        page = BLOCK.sub(lambda asked: put(asked, self.block), words)
        page = FIGURE.sub(lambda asked: put(asked, self.figure), page)
        if lacking:
            raise Missing(", ".join(dict.fromkeys(lacking)))
        return page


def counted_instructions(path=budget.BUDGET):
    _, paths, _ = budget.read(path)
    return {(path.metric, path.n): path.budget for path in paths}


def words_of_page(path=WORDS):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(run, targets, path):
    """Writes the page; why not, as a list."""
    try:
        page = Document(run, targets, counted_instructions()).fill(words_of_page())
    except Missing as what:
        return [f"{os.path.relpath(path)} is not written: this run lacks {what}"]
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    print(f"{os.path.relpath(path)} has its figures")
    return []
