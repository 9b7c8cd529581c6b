#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_budget.py PROGRAMS: the gate on instructions fails where the budget is lower."""

import contextlib
import io
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../bench/driver"))

import budget  # noqa: E402

PROGRAMS = sys.argv.pop(1)


class Gate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "budget.txt")

    def run_gate(self, factor, *words, machine=None):
        """(exit status, output) with every number of the real budget times factor."""
        here, paths, head = budget.read(budget.BUDGET)
        for path in paths:
            path.budget *= factor
        budget.write(self.file, machine or here, paths, head)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = budget.main(["--programs", PROGRAMS, "--file", self.file, *words])
        if status == budget.SKIP and machine is None:
            print(out.getvalue())
            sys.exit(budget.SKIP)
        return status, out.getvalue()

    def test_a_lower_budget_fails_and_says_where(self):
        status, said = self.run_gate(0.95, "set/1")
        self.assertEqual(status, 1, said)
        self.assertIn("TOO DEAR", said)
        self.assertIn("too dear by more than 2%: set/1.", said)
        self.assertRegex(said, r"\d\.\d  nook_var_set_at\n")
        self.assertIn("./dev bench --budget set/1", said)

    def test_a_percent_is_within_the_slack(self):
        status, said = self.run_gate(0.99, "get/1")
        self.assertEqual(status, 0, said)

    def test_what_became_cheaper_is_told(self):
        status, said = self.run_gate(1.10, "get/1")
        self.assertEqual(status, 0, said)
        self.assertIn("cheaper: record it", said)

    def test_a_recorded_budget_holds(self):
        status, said = self.run_gate(0.5, "--record", "get/1")
        self.assertEqual(status, 0, said)
        _, paths, _ = budget.read(self.file)
        now = {path.name: path.budget for path in paths}
        _, real, head = budget.read(budget.BUDGET)
        real = {path.name: path.budget for path in real}
        self.assertAlmostEqual(now["get/1"], real["get/1"], delta=real["get/1"] * budget.SLACK)
        # The others are not touched, nor is the text.
        self.assertAlmostEqual(now["set/1"], real["set/1"] / 2, delta=0.1)
        self.assertEqual(budget.read(self.file)[2], head)

    def test_another_machine_is_not_judged(self):
        status, said = self.run_gate(0.5, "get/1", machine="m68k, gcc 2, glibc 2.0")
        self.assertEqual(status, budget.SKIP)
        self.assertIn("m68k", said)


class Reading(unittest.TestCase):
    def test_instructions_of_callees_are_not_the_callers(self):
        file = ["fl=a.c\n", "fn=outer\n", "0 10\n", "cfn=inner\n", "calls=3 0\n", "0 500\n",
                "0 5\n", "fn=inner\n", "0 500\n", "fn=outer'2\n", "+1 7\n", "totals: 522\n"]
        self.assertEqual(budget.parse(file), {"outer": 22, "inner": 500})


if __name__ == "__main__":
    unittest.main()
