#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_driver.py FAKE: what the driver of the bench makes of known samples and programs."""

import html.parser
import json
import math
import os
import random
import stat
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVER = os.path.join(HERE, "../../bench/driver")
sys.path.insert(0, DRIVER)

import document  # noqa: E402
import measure  # noqa: E402
import plot  # noqa: E402
import programs as P  # noqa: E402
import report  # noqa: E402
import results as R  # noqa: E402
import stats  # noqa: E402
import table  # noqa: E402
import targets as T  # noqa: E402

FAKE = sys.argv.pop(1)
MACHINE = {"cpu": "Abacus 3", "architecture": "wood", "cores": 2, "mhz": 1, "memory_gib": 4,
           "kernel": "Linux 6.0", "libc": "glibc 2.36", "load": 0.0}


def result(metric, n, program, figure, role="own", label=None, noise=0.01):
    """Nine rounds round a figure, whose least is the figure."""
    rounds = [[figure * (1 + noise * ((i + j) % 5)) for j in range(3)] for i in range(9)]
    return R.Result(metric, n, program, label or program, role, rounds)


def paired(metric, ratios, drift=1.0):
    """A round of three pairs for each ratio, all that many times as much; the later the worse."""
    beside = [[100.0 * drift ** (i + j) for j in range(3)] for i in range(len(ratios))]
    rounds = [[ratio * b for b in one] for ratio, one in zip(ratios, beside)]
    return R.Result(metric, 2, "nook", "nook", "own", rounds, beside)


def a_run(*found, **more):
    return R.Run(list(found), MACHINE, "2026-01-02T03:04:05+00:00", rounds=9,
                 what={r.program: f"{r.label} 1.0, gcc 12" for r in found}, **more)


class Statistics(unittest.TestCase):
    def test_median_and_mad(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)
        self.assertEqual(stats.mad([1, 1, 2, 2, 4, 6, 9]), 1)

    def test_the_interval_holds_the_median_19_times_out_of_20(self):
        draw = random.Random(7)
        inside = 0
        for trial in range(200):
            rounds = [[draw.gauss(100, 10) for _ in range(3)] for _ in range(12)]
            low, high = stats.interval(rounds, 300, seed=trial)
            inside += low <= 100 <= high
        self.assertGreater(inside, 180)
        self.assertLess(inside, 200)

    def test_two_values_in_order_hold_the_median_19_times_out_of_20(self):
        # Whatever they are drawn from: here most values are near the least.
        draw = random.Random(3)
        inside = 0
        for _ in range(400):
            low, high = stats.median_between([draw.expovariate(math.log(2)) for _ in range(9)])
            inside += low <= 1 <= high
        self.assertGreater(inside, 370)
        self.assertLess(inside, 400)

    def test_which_two_values_in_order(self):
        # By the binomial distribution: 9 of 512 ways leave all but one on one side.
        for n, outside in ((6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (20, 5)):
            self.assertEqual(stats.median_between(range(n)), (outside, n - 1 - outside), n)
        self.assertEqual(stats.median_between([1, 1, 1, 1, 1]), (-math.inf, math.inf))

    def test_a_ratio_is_of_pairs_and_a_round_is_one_value(self):
        ratio = stats.Ratio([[1.0, 8.0, 2.0], [30.0, 40.0, 1.0]], [[1.0, 2.0, 1.0], [10.0, 10.0, 1.0]])
        self.assertEqual((ratio.median, ratio.min), (2.5, 1.0))
        self.assertEqual((ratio.low, ratio.high), (-math.inf, math.inf))

    def test_rounds_are_drawn_whole(self):
        # Of samples that agree within a round and not between rounds, more samples a round
        # say nothing more.
        few = [[value] for value in range(1, 13)]
        many = [[value] * 100 for value in range(1, 13)]
        self.assertEqual(stats.interval(few), stats.interval(many))

    def test_a_narrow_interval_is_believed_and_a_wide_one_is_not(self):
        self.assertIsNone(stats.Summary([[10.0, 10.1]] * 9).doubt)
        wide = stats.Summary([[10.0], [20.0], [10.5], [19.0], [11.0], [30.0], [10.2]])
        self.assertIn("of the median apart", wide.doubt)
        self.assertIn("one round", stats.Summary([[10.0, 10.0]]).doubt)

    def test_min_is_of_all_rounds(self):
        summary = stats.Summary([[5.0, 4.0], [3.0, 6.0]])
        self.assertEqual((summary.min, summary.median, summary.rounds), (3.0, 4.5, 2))


class Growth(unittest.TestCase):
    NS = (1, 8, 32, 100, 1000)

    def grow(self, cost):
        return stats.Growth([(n, cost(n)) for n in self.NS])

    def test_flat(self):
        growth = self.grow(lambda n: 10 + n % 3 * 0.3)
        self.assertEqual(growth.kind, "flat")
        self.assertLess(growth.error, 0.05)
        self.assertRegex(growth.sentence(), r"^flat: 10\S* ns, no point off by more than \d%$")

    def test_logarithmic(self):
        growth = self.grow(lambda n: 5 + 3 * math.log2(n))
        self.assertEqual(growth.kind, "logarithmic")
        self.assertAlmostEqual(growth.a, 5, places=6)
        self.assertAlmostEqual(growth.b, 3, places=6)

    def test_linear(self):
        growth = self.grow(lambda n: 5 + 3 * n)
        self.assertEqual(growth.kind, "linear")
        self.assertAlmostEqual(growth.b, 3, places=6)

    def test_what_fits_nothing_is_called_so(self):
        growth = stats.Growth([(1, 10), (8, 80), (32, 9), (100, 90), (1000, 10)])
        self.assertEqual(growth.kind, "none")
        self.assertIn("neither", growth.sentence())

    def test_falling_is_not_growth(self):
        self.assertEqual(self.grow(lambda n: 1000 / n + 1).kind, "none")

    def test_two_points_say_nothing(self):
        self.assertEqual(stats.Growth([(1, 1), (2, 2)]).kind, "unknown")


class Verdicts(unittest.TestCase):
    def setUp(self):
        self.targets = T.Targets.__new__(T.Targets)
        self.targets.all = [
            {"metric": ["race"], "floor": "floor-race", "aim": 2.0,
             "must_beat": [{"peer": "Hare", "recorded": 30, "floor": 10}]},
            {"metric": ["walk"], "floor": "floor-race", "aim_floors": 1.5,
             "must_beat": [{"metric": "crawl", "n": 1}]},
        ]

    def verdict(self, *found, metric="race"):
        run = a_run(*found)
        return self.targets.judge(run, run.find(metric, 1, "nook"))

    def test_a_peer_of_the_same_run_counts(self):
        hare = result("race", 1, "hare", 6.0, "peer", "Hare 2.0")
        self.assertEqual(self.verdict(result("race", 1, "nook", 5.0), hare).verdict, T.BEATS)
        self.assertEqual(self.verdict(result("race", 1, "nook", 1.9), hare).verdict, T.AIM)
        self.assertEqual(self.verdict(result("race", 1, "nook", 6.5), hare).verdict, T.MISSES)

    def test_a_recorded_peer_is_scaled_by_the_floor(self):
        floor = result("floor-race", 1, "floor", 5.0, "floor")
        judged = self.verdict(result("race", 1, "nook", 14.0), floor)
        self.assertEqual(judged.opponents[0].figure, 15.0)
        self.assertTrue(judged.opponents[0].recorded)
        self.assertEqual(judged.verdict, T.BEATS)
        self.assertEqual(self.verdict(result("race", 1, "nook", 16.0), floor).verdict, T.MISSES)

    def test_a_doubtful_floor_scales_nothing(self):
        floor = result("floor-race", 1, "floor", 5.0, "floor", noise=0.5)
        self.assertIsNotNone(floor.summary.doubt)
        judged = self.verdict(result("race", 1, "nook", 1.0), floor)
        self.assertEqual((judged.verdict, judged.opponents[0].figure), (T.OPEN, None))
        crawl = result("crawl", 1, "floor", 7.0, "floor")
        judged = self.verdict(result("walk", 1, "nook", 1.0), floor, crawl, metric="walk")
        self.assertEqual((judged.verdict, judged.aim), (T.BEATS, None))

    def test_another_floor_scales_as_for_one(self):
        self.targets.all = [{"metric": ["race"], "must_beat": [
            {"peer": "Hare", "recorded": 30, "floor": 10, "of": "floor-other"}]}]
        run = a_run(result("race", 1000, "nook", 20.0),
                    result("floor-other", 1, "floor", 5.0, "floor"),
                    result("floor-other", 1000, "floor", 80.0, "floor"))
        judged = self.targets.judge(run, run.find("race", 1000, "nook"))
        self.assertEqual((judged.verdict, judged.opponents[0].figure), (T.MISSES, 15.0))

    def test_without_either_the_verdict_is_open(self):
        self.assertEqual(self.verdict(result("race", 1, "nook", 1.0)).verdict, T.OPEN)

    def test_another_metric_and_an_aim_in_floors(self):
        floor = result("floor-race", 1, "floor", 4.0, "floor")
        crawl = result("crawl", 1, "floor", 7.0, "floor")
        for figure, verdict in ((5.9, T.AIM), (6.5, T.BEATS), (7.1, T.MISSES)):
            own = result("walk", 1, "nook", figure)
            self.assertEqual(self.verdict(own, floor, crawl, metric="walk").verdict, verdict)

    def test_a_paired_target_looks_at_pairs_alone(self):
        self.targets.all = [{"metric": ["walk"], "floor": "floor-race", "paired": True,
                             "aim_floors": 1.05}]
        near, far = [1.02, 1.03, 1.04], [1.06, 1.07, 1.08]
        for ratios, verdict in ((near * 3, T.AIM), (far * 3, T.BEATS), ((near + far) * 2, T.OPEN),
                                (near, T.OPEN)):
            own = paired("walk", ratios, drift=1.2)  # no two of the floors are alike
            for floor in (50.0, 500.0):  # nor is that of another minute
                run = a_run(own, result("floor-race", 2, "floor", floor, "floor"))
                judged = self.targets.judge(run, own)
                self.assertEqual(judged.verdict, verdict, ratios)
                self.assertAlmostEqual(judged.floors, stats.median(ratios))
                self.assertEqual(judged.floor_figure, 100.0)
        alone = result("walk", 2, "nook", 1.0)
        judged = self.targets.judge(a_run(alone), alone)
        self.assertEqual((judged.verdict, judged.floors), (T.OPEN, None))

    def test_the_real_file_names_floors_that_exist(self):
        source = ""
        folder = os.path.join(HERE, "../../bench")
        for name in os.listdir(folder):
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    source += file.read()
        real = T.Targets()
        for target in real.all:
            for metric in target["metric"]:
                for needed in real.needs(metric, target.get("n", [1])[0]):
                    self.assertIn(f'"{needed}"', source)


class Table(unittest.TestCase):
    def setUp(self):
        self.targets = T.Targets()

    def render(self, *found, **more):
        return "\n".join(table.render(a_run(*found, **more), self.targets))

    def test_a_row_has_figures_ratios_and_the_verdict(self):
        said = self.render(
            result("yield", 2, "nook", 4.0), result("floor-switch", 2, "floor", 2.0, "floor"),
            result("yield", 2, "aco", 20.0, "peer", "libaco 1.2"),
            result("yield", 2, "pth", 1000.0, "peer", "GNU Pth 2.0.7"))
        row = next(text for text in said.splitlines() if text.startswith("yield"))
        self.assertEqual(row.split(), ["yield", "2", "4.00", "4.08", "1%", "2x", "5x", "libaco",
                                       "aim"])

    def test_what_was_measured_in_turn_has_its_ratio_and_interval(self):
        said = self.render(paired("wake-asleep", [1.03, 1.02, 1.04] * 3))
        row = next(text for text in said.splitlines() if text.startswith("wake-asleep"))
        self.assertEqual(row.split()[5:], ["1.03x", "aim"])
        self.assertIn("wake-asleep 2: 1.03x, 1.02 to 1.04; the aim is 1.05x", said)
        said = self.render(paired("wake-asleep", [1.03]))
        self.assertIn("wake-asleep 2: 1.03x, too few rounds for an interval; the aim is 1.05x", said)

    def test_nothing_is_wider_than_80_columns(self):
        said = self.render(
            result("stack-push-pop", 1000000, "nook", 123456789.0),
            result("stack-push-pop", 1000000, "x", 1e9, "peer", "A peer whose name has no end 1.0"),
            result("floor-spawn-join-and-more", 1000000, "floor", 12345678.0, "floor"),
            skipped={"somebody": "a reason " * 30})
        self.assertLessEqual(max(len(text) for text in said.splitlines()), 80)

    def test_a_wide_interval_is_not_printed_without_saying_so(self):
        rounds = [[1.0], [5.0], [1.2], [6.0], [1.1], [7.0], [1.3]]
        said = self.render(R.Result("get", 1, "nook", "nook", "own", rounds))
        row = next(text for text in said.splitlines() if text.startswith("get"))
        self.assertIn(" ~", row)
        self.assertRegex(said.replace("\n  ", " "), r"Doubtful \(~\), because .*: get 1$")
        self.assertNotIn("~", self.render(result("get", 1, "nook", 1.0)))

    def test_who_is_missing_is_told_with_the_reason(self):
        said = self.render(result("get", 1, "nook", 1.0), skipped={"tokio": "no cargo here"})
        self.assertIn("tokio: no cargo here", said)

    def test_what_is_not_beaten_is_told(self):
        said = self.render(
            result("copy-drop", 1, "nook", 9.0), result("copy-drop", 8, "nook", 9.0),
            result("copy-drop", 1, "py", 6.0, "peer", "CPython 3.11"),
            result("copy-drop", 8, "py", 6.5, "peer", "CPython 3.11"))
        self.assertIn("copy-drop 1, 8: CPython 6.00 to 6.50", said)
        self.assertEqual(said.count("MISSES"), 2)

    def test_a_quicker_peer_that_need_not_be_beaten_puts_a_star_to_the_verdict(self):
        floor = result("floor-switch", 1, "floor", 3.22, "floor")
        tokio = result("channel", 1, "tokio", 110.0, "peer", "Tokio 1.24.2")
        threads = result("channel", 1, "st", 17.0, "peer", "State Threads 1.9")
        for figure, verdict in ((11.0, "aim"), (16.0, "beats"), (20.0, "beats*"), (111.0, "MISSES")):
            said = self.render(result("channel", 1, "nook", figure), floor, tokio, threads)
            row = next(text for text in said.splitlines() if text.startswith("channel"))
            self.assertIn(" State Threads ", row)
            self.assertEqual(row.split()[-1], verdict)
            self.assertEqual("* a peer" in said, verdict == "beats*")

    def test_going_round_keys_is_what_going_round_variables_is_held_against(self):
        said = self.render(
            *[result("get-each", n, "nook", 1.3) for n in (8, 32, 100)],
            *[result("pthread-get-each", n, "floor", figure, "floor")
              for n, figure in ((8, 1.2), (32, 1.4))],
            result("pthread-get", 1, "floor", 1.1, "floor"),
            result("floor-get", 1, "floor", 1.0, "floor"))
        rows = [text for text in said.splitlines() if text.startswith("get-each ")]
        self.assertEqual([row.split()[-1] for row in rows[:3]], ["MISSES", "beats", "open"])
        self.assertIn("get-each 8: pthread-get-each 1.20", said)
        self.assertIn("get-each 100: pthread-get-each was not measured", said)

    def test_what_vanishes_in_what_is_subtracted_reaches_no_aim(self):
        said = self.render(result("get-first", 1, "nook", -0.1),
                           result("floor-get", 1, "floor", 1.0, "floor"),
                           result("pthread-get", 1, "floor", 1.2, "floor"))
        row = next(text for text in said.splitlines() if text.startswith("get-first"))
        self.assertEqual(row.split()[-1], "open")
        self.assertIn("get-first 1: less than what is subtracted", said)


class Elements(html.parser.HTMLParser):
    """Counts elements, collects identities, and minds what is left open."""

    EMPTY = {"meta", "circle", "rect", "line", "polygon", "polyline"}

    def __init__(self, page):
        super().__init__()
        self.counts, self.ids, self.fetched, self.open, self.crossed = {}, [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.ids += [value for key, value in attrs if key == "id"]
        self.fetched += [value for key, value in attrs
                         if key in ("src", "href") and not value.startswith("#")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)


class Report(unittest.TestCase):
    """build/bench/report.html"""

    def page(self):
        found = [result(m, n, p, 3.0 * k, role, label)
                 for m in ("get", "set", "yield") for n in (2, 8, 1000)
                 for k, (p, role, label) in enumerate((
                     ("nook", "own", "nook 1.0"), ("go", "peer", "Go <1.19>"),
                     ("st", "peer", "State Threads 1.9")), 1)]
        found += [result("channel", 1, "nook", 9.0), result("tls-read-local-exec", 1, "floor", 0.3, "floor"),
                  result("local-get", 1, "nook", 9.0), result("parked-bytes", 100, "nook", 4200.0)]
        return report.Report(a_run(*found), T.Targets()).page()

    def test_each_plot_has_its_numbers_and_nothing_is_fetched(self):
        page = self.page()
        found = Elements(page)
        self.assertEqual((found.open, found.crossed, found.fetched), ([], [], []))
        self.assertNotRegex(page, "https?:|@import|url\\(")
        self.assertEqual(len(found.ids), len(set(found.ids)))
        self.assertEqual(found.counts["svg"], found.counts["figure"])
        self.assertEqual(page.count("<summary>The numbers</summary>"), found.counts["svg"])
        self.assertGreaterEqual(found.counts["svg"], 6)
        self.assertIn("Go &lt;1.19&gt;", page)

    def test_a_plots_axes_have_their_units(self):
        drawn = report.Report(a_run(*[result("get", n, "nook", 2.0) for n in (1, 8)]), T.Targets())
        said = drawn.against_n("get", "reading", "variables that are bound")
        self.assertIn(">ns (log)<", said)
        self.assertIn(">variables that are bound<", said)

    def test_labels_do_not_meet(self):
        places = sorted(plot.spread([50.0] * 10 + [51.0, 300.0, 299.0], 16, 26, 300).values())
        self.assertTrue(all(b - a >= 15.999 for a, b in zip(places, places[1:])))
        self.assertLessEqual(places[-1], 300)
        self.assertGreaterEqual(places[0], 26)

    def test_an_axis_has_ticks_enough(self):
        for low, high in ((1.0, 1.1), (1, 2), (1, 9), (0.5, 200), (1, 1e6)):
            self.assertIn(len(plot.Log([low, high], 0, 100).ticks()), range(3, 11), (low, high))


class Document(unittest.TestCase):
    """The page of words and figures."""

    def fill(self, words, *found):
        run = a_run(*found, command="./dev bench --peers")
        return document.Document(run, T.Targets(), {("get", 1): 36.0}).fill(words)

    def test_figures_come_from_the_run_and_the_budget(self):
        said = self.fill("{get/1}, {get/1/floors}, {get/1/instructions}, {floor-get/1}.",
                         result("get", 1, "nook", 2.5), result("floor-get", 1, "floor", 1.0, "floor"))
        self.assertEqual(said, "2.50 ns, 2.5, 36 instructions, 1.00 ns.")

    def test_a_table_has_the_rows_and_says_how_they_grow(self):
        said = self.fill("{table get channel}",
                         *[result("get", n, "nook", 2.0) for n in (1, 8, 32)],
                         result("get", 8, "go", 4.0, "peer", "Go 1.19"),
                         result("channel", 1, "nook", 20.0),
                         result("channel", 1, "st", 10.0, "peer", "State Threads 1.9"),
                         result("channel", 1, "tokio", 110.0, "peer", "Tokio 1.24.2"))
        head, _, *rows = said.splitlines()
        self.assertEqual(head, "| ns | min | median | 95 % interval | instructions | best peer |"
                               " must beat | aim | verdict |")
        self.assertEqual(rows[0].split(" | ")[0], "| `get` 1")
        self.assertIn("| 36 |  | Photon ?, pthread-get ? |", rows[0])
        self.assertIn("| Go 4.00 (2x) |", rows[1])
        self.assertTrue(rows[3].endswith("| State Threads 10.00 (0.5x) | Tokio 110 | 12.00 | "
                                         "beats\\* |"))
        self.assertRegex(rows[5], "^- `get` is flat: 2 ns")

    def test_a_paired_row_has_its_interval(self):
        row = self.fill("{table wake-asleep}", paired("wake-asleep", [1.03, 1.02, 1.04] * 3))
        self.assertIn("| 100 (1.03x, 1.02 to 1.04) | 1.05x | aim |", row)

    def test_how_it_was_measured_and_what_came_of_it(self):
        said = self.fill("{run}\n\n{verdicts}\n\n{versions}\n\n{missing}", result("set", 1, "nook", 1.0))
        self.assertIn("- Measured with `./dev bench --peers`", said)
        self.assertIn("Abacus 3", said)
        self.assertIn("`set` 1", said)
        self.assertIn("- nook 1.0, gcc 12", said)
        self.assertTrue(said.endswith("Everything was measured."))

    def test_what_is_not_there_is_told_and_never_left_out(self):
        with self.assertRaisesRegex(document.Missing, "^dance, set/1, get/8/instructions$"):
            self.fill("{set/1} {set/1} {get/8/instructions}\n{dance}\n", result("get", 8, "nook", 1.0))

    def test_the_real_words_ask_for_what_there_is(self):
        words = document.words_of_page()
        asked = {(m, int(n)) for m, n, _ in document.FIGURE.findall(words)}
        found = [result(m, n, "nook", 2.0, "floor" if m.startswith("floor") else "own")
                 for m, n in sorted(asked)]
        self.assertNotRegex(self.fill(words, *found), "[{}]")


class File(unittest.TestCase):
    def setUp(self):
        self.run_ = a_run(result("get", 8, "nook", 2.0), result("parked-bytes", 9, "nook", 4160.0),
                          paired("wake-asleep", [1.5, 2.0]), skipped={"a": "b"})
        self.data = json.loads(json.dumps(R.to_json(self.run_)))

    def test_what_is_written_comes_back(self):
        again = R.from_json(self.data)
        self.assertEqual(R.to_json(again), R.to_json(self.run_))
        self.assertEqual(again.find("wake-asleep", 2).ratio.median, 1.75)
        self.assertIsNone(again.find("get", 8).ratio)

    def test_google_benchmarks_names(self):
        first = self.data["benchmarks"][0]
        self.assertEqual(first["name"], "get/8/nook")
        self.assertEqual(first["run_type"], "iteration")
        for key in ("run_name", "repetitions", "repetition_index", "threads", "iterations",
                    "real_time", "cpu_time", "time_unit"):
            self.assertIn(key, first)
        aggregates = {b["aggregate_name"]: b for b in self.data["benchmarks"]
                      if b["run_type"] == "aggregate" and b["run_name"] == "get/8/nook"}
        self.assertEqual(set(aggregates), {"min", "median", "mad", "low", "high"})
        self.assertEqual(aggregates["min"]["real_time"], 2.0)
        self.assertEqual(aggregates["min"]["name"], "get/8/nook_min")
        for key in ("date", "executable", "num_cpus", "mhz_per_cpu", "caches"):
            self.assertIn(key, self.data["context"])
        self.assertNotIn("host_name", self.data["context"])

    @unittest.skipUnless(os.path.exists("/usr/share/benchmark/compare.py"),
                         "compare.py of Google Benchmark is not installed (libbenchmark-tools)")
    def test_compare_py_reads_it(self):
        try:
            subprocess.run(["/usr/bin/python3", "-c", "import numpy, scipy"], check=True,
                           capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("compare.py needs numpy and scipy")
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, figure in (("a", 2.0), ("b", 3.0)):
                paths.append(os.path.join(folder, name + ".json"))
                R.write(a_run(result("get", 8, "nook", figure)), paths[-1])
            done = subprocess.run(
                ["/usr/bin/python3", "/usr/share/benchmark/compare.py", "--no-color",
                 "benchmarks", *paths], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"get/8/nook_min +\+0\.5000")


class Folders(unittest.TestCase):
    """A folder with programs of ours, and one with peers."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.own = os.path.join(self.folder.name, "own")
        self.peers = os.path.join(self.folder.name, "peers")
        os.mkdir(self.own)
        os.mkdir(self.peers)

    def program(self, folder, name, *lines):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + "\n".join(lines) + "\n")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def speaker(self, folder, name, figure, what="Thing 1.0, sh"):
        """A program that knows race/1, and says a figure as often as it is asked to."""
        return self.program(
            folder, name,
            f"[ \"$1\" = --list ] && printf '# {what}\\nrace\\t1\\n' && exit",
            f"for i in $(seq $3); do echo {figure}; done")


class Programs(Folders):
    def test_the_fake_is_listed_and_measured(self):
        fake = P.Program(FAKE, P.PEER)
        self.assertEqual(fake.label, "a fake 1.0")
        self.assertIn(("fresh", 5), fake.entries)
        self.assertEqual(fake.sample("fresh", 5, 4), ([5.0] * 4, []))
        ones, twos = fake.sample("pair", 1, 3)
        self.assertTrue(len(ones) == len(twos) == 3 and min(twos) >= 100000)
        with self.assertRaisesRegex(P.Cannot, "not with 3 of them"):
            fake.sample("cannot", 3, 1)
        with self.assertRaisesRegex(P.Failed, "does not hold"):
            fake.sample("child-fails", 1, 1)

    def test_bad_programs_are_found_out(self):
        for lines, why in ((["echo hello"], "first line"),
                           (["printf '# x\\nrace 1\\n'"], "METRIC<TAB>N"),
                           (["exit 3"], "exit 3")):
            with self.assertRaisesRegex(P.Failed, why):
                P.Program(self.program(self.own, "bad", *lines), P.OWN)
        short = P.Program(self.program(
            self.own, "short", "[ \"$1\" = --list ] && printf '# x\\nrace\\t1\\n' || echo 1"), P.OWN)
        with self.assertRaisesRegex(P.Failed, "1 samples, not 2"):
            short.sample("race", 1, 2)
        uneven = P.Program(self.program(
            self.own, "uneven", "[ \"$1\" = --list ] && printf '# x\nrace\t1\n' || printf '1 2\n3\n'"),
            P.OWN)
        with self.assertRaisesRegex(P.Failed, "neither numbers nor pairs"):
            uneven.sample("race", 1, 2)
        words = P.Program(self.program(
            self.own, "words", "[ \"$1\" = --list ] && printf '# x\\nrace\\t1\\n' || echo one"), P.OWN)
        with self.assertRaisesRegex(P.Failed, "not numbers"):
            words.sample("race", 1, 1)

    def test_a_missing_peer_is_told_with_its_reason(self):
        self.speaker(self.own, "mine", 1)
        self.speaker(self.peers, "theirs", 2)
        self.program(self.peers, "broken", "echo 'no such library' >&2; exit 127")
        self.program(self.peers, "unable", "echo 'needs a GPU' >&2; exit 77")
        with open(os.path.join(self.peers, "gone.skipped"), "w", encoding="utf-8") as file:
            file.write("Debian has no\npackage of it\n")
        found, missing = P.find(self.own, self.peers)
        self.assertEqual([(p.name, p.role) for p in found], [("nook", "own"), ("theirs", "peer")])
        self.assertEqual(missing["gone"], "Debian has no package of it")
        self.assertIn("no such library", missing["broken"])
        self.assertEqual(missing["unable"], "needs a GPU")

    def test_rounds_take_turns(self):
        log = os.path.join(self.folder.name, "log")
        for name in ("a", "b"):
            self.program(self.own, name,
                         f"[ \"$1\" = --list ] && printf '# {name}\\nrace\\t1\\nrace\\t2\\n' && exit",
                         f"echo {name}$2 >>'{log}'", "for i in $(seq $3); do echo 1; done")
        found, _ = P.find(self.own)
        wanted = measure.things(found, [], 10, T.Targets())
        measure.run(wanted, 2, 3, lambda text: None)
        with open(log, encoding="utf-8") as file:
            self.assertEqual(file.read().split(), ["a1", "b1", "a2", "b2"] * 2)
        self.assertEqual([thing.rounds for thing in wanted], [[[1.0] * 3] * 2] * 4)

    def test_pairs_have_as_many_rounds_as_an_interval_takes(self):
        self.program(self.own, "mine",
                     "[ \"$1\" = --list ] && printf '# x\nwake-idle\t2\nwake-asleep\t2\n' && exit",
                     "for i in $(seq $3); do [ $1 = wake-idle ] && echo 1 || echo 2 1; done")
        found, _ = P.find(self.own)
        wanted = measure.things(found, [], 10, T.Targets())
        measure.run(wanted, 3, 1, lambda text: None)
        self.assertEqual([len(thing.rounds) for thing in wanted], [3, 9])
        run = R.from_things(wanted, machine=MACHINE, date="now", rounds=3)
        ratio = run.find("wake-asleep", 2).ratio
        self.assertEqual((ratio.low, ratio.median, ratio.high), (2.0, 2.0, 2.0))

    def rounds_of_a_contest(self):
        for folder, name, label, metric in (
                (self.own, "mine", "mine", "get"), (self.own, "floor", "floor", "floor-get"),
                (self.peers, "photon", "Photon 1", "get"), (self.peers, "other", "Other 1", "get")):
            self.program(folder, name,
                         f"[ \"$1\" = --list ] && printf '# {label}\n{metric}\t1\n' && exit",
                         f"[ {name} = photon ] && sleep 0.3", "for i in $(seq $3); do echo 1; done")
        found, _ = P.find(self.own, self.peers)
        wanted = measure.things(found, [], 1, T.Targets())
        measure.run(wanted, 2, 1, lambda text: None)
        return {thing.program.name: len(thing.rounds) for thing in wanted}

    def test_who_must_be_beaten_and_we_get_more_rounds_and_the_floor(self):
        self.assertEqual(self.rounds_of_a_contest(),
                         {"nook": 6, "floor": 6, "photon": 6, "other": 2})

    def test_where_one_of_them_is_not_brief_nobody_does(self):
        with mock.patch.object(measure, "BRIEF_SECONDS", 0.25):
            self.assertEqual(self.rounds_of_a_contest(),
                             {"nook": 2, "floor": 2, "photon": 2, "other": 2})

    def test_memory_is_touched_before_each_sample_that_needs_fresh_memory(self):
        self.program(self.own, "mine",
                     "[ \"$1\" = --list ] && printf '# mine\ncreate\t10\nget\t1\n' && exit",
                     "for i in $(seq $3); do echo 1; done")
        found, _ = P.find(self.own)
        with mock.patch.object(measure, "touch_memory") as touch:
            measure.run(measure.things(found, [], 10, T.Targets()), 2, 1, lambda text: None)
        self.assertEqual(sorted(call.args[0] for call in touch.mock_calls), [0, 0, 60000, 60000])

    def test_what_is_asked_for_brings_what_it_is_held_against(self):
        for name, metrics in (("mine", "get set"), ("floor", "floor-get floor-switch pthread-get")):
            entries = "".join(f"{metric}\\t1\\n" for metric in metrics.split())
            self.program(self.own, name, f"printf '# {name}\\n{entries}'")
        found, _ = P.find(self.own)
        wanted = measure.things(found, ["get"], 10, T.Targets())
        self.assertEqual({thing.metric for thing in wanted}, {"get", "floor-get", "pthread-get"})

    def test_what_fails_in_one_round_is_not_tried_again_and_told(self):
        self.program(self.own, "odd", "[ \"$1\" = --list ] && printf '# odd\\nrace\\t1\\n' && exit",
                     "echo 'out of luck' >&2; exit 5")
        found, _ = P.find(self.own)
        wanted = measure.things(found, [], 10, T.Targets())
        measure.run(wanted, 3, 1, lambda text: None)
        run = R.from_things(wanted, machine=MACHINE, date="now", rounds=3)
        self.assertEqual(run.results, [])
        self.assertIn("out of luck", run.skipped["nook race 1"])


class Command(Folders):
    """The whole driver, on programs whose figures are known."""

    def drive(self, *words):
        out = os.path.join(self.folder.name, "out")
        return subprocess.run(
            [sys.executable, os.path.join(DRIVER, "run.py"), "--programs", self.own,
             "--peer-programs", self.peers, "--out", out, *words],
            capture_output=True, text=True, check=False), out

    def test_a_run_prints_a_table_and_leaves_its_results(self):
        self.speaker(self.own, "mine", 3, "nook 9, sh")
        self.speaker(self.peers, "theirs", 6, "Hare 2, sh")
        done, out = self.drive("--rounds", "7", "--peers")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"race +1 +3\.00 +3\.00 +0% +2x Hare\n")
        with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
            data = json.load(file)
        self.assertEqual(data["benchmarks"][0]["real_time"], 3.0)
        self.assertEqual(data["nook"]["command"], "./dev bench --rounds 7 --peers")
        again, _ = self.drive("--from", os.path.join(out, "result.json"))
        self.assertEqual(again.stdout, done.stdout)

    def test_without_peers_none_is_run(self):
        self.speaker(self.own, "mine", 3)
        self.speaker(self.peers, "theirs", 6, "Hare 2, sh")
        done, _ = self.drive("--rounds", "2")
        self.assertNotIn("Hare", done.stdout)

    def test_bad_words(self):
        self.speaker(self.own, "mine", 3)
        done, out = self.drive("dance")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no metric dance; there are: race", done.stderr)
        for words in (("--from", out + "/none.json"), ("--from", FAKE),
                      ("--from", out + "/none.json", "race")):
            done, _ = self.drive(*words)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_a_figure_that_the_page_needs_and_the_run_lacks_is_told(self):
        self.speaker(self.own, "mine", 3)
        page = os.path.join(self.folder.name, "page.md")
        done, _ = self.drive("--rounds", "2", "--document", "--page", page)
        self.assertEqual(done.returncode, 1)
        self.assertIn("this run lacks floor-locked-add/1", done.stderr)
        self.assertFalse(os.path.exists(page))

    def test_a_failure_is_the_status(self):
        self.program(self.own, "odd", "[ \"$1\" = --list ] && printf '# odd\\nrace\\t1\\n' && exit",
                     "exit 5")
        done, _ = self.drive("--rounds", "2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: odd race 1", done.stderr)


if __name__ == "__main__":
    unittest.main()
