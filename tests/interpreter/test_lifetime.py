# SPDX-License-Identifier: MIT
"""Who keeps what alive: references, collection, threads that die. All of it goes in the end.

Where the library counts (NOOK_CHECKS), each test ends with no context, node,
variable and token more than it began with, and the last one with none at all.
"""
import replaced  # noqa: F401

import gc
import importlib
import sys
import threading
import time
import unittest
import weakref

from contextvars import Context, ContextVar, copy_context

import nookvars

NOTHING = (0, 0, 0, 0)


def counts():
    """What is alive after a collection; nothing where nobody counts."""
    gc.collect()
    return nookvars._counts() or NOTHING


def eventually(wanted):
    """A joined thread is not quite dead: its thread-locals go after Python's join."""
    deadline = time.monotonic() + 10
    while wanted() is False and time.monotonic() < deadline:
        time.sleep(0.001)
    return wanted()


class Value:
    deaths = 0

    def __del__(self):
        Value.deaths += 1


class Balanced(unittest.TestCase):
    def run(self, result=None):
        before = counts()
        nookvars._apart(lambda: super(Balanced, self).run(result))
        eventually(lambda: counts() == before)
        if result is not None and counts() != before:
            result.addFailure(self, (AssertionError, AssertionError(
                f"contexts, nodes, variables, tokens: {before} before, {counts()} after"), None))


class References(Balanced):
    def test_V15_each_node_holds_its_values_once(self):
        value, var = Value(), ContextVar("var")
        value_before, var_before = sys.getrefcount(value), sys.getrefcount(var)

        def held():
            return sys.getrefcount(value) - value_before, sys.getrefcount(var) - var_before

        context = Context()
        context.run(var.set, value)
        self.assertEqual(held(), (1, 1))
        copies = [context.copy() for _ in range(100)]
        self.assertEqual(held(), (1, 1))  # they share the node
        copies[0].run(var.set, value)  # nothing new, so they still do
        self.assertEqual(held(), (1, 1))
        copies[0].run(var.set, None)
        copies[0].run(var.set, value)  # and now one has its own
        self.assertEqual(held(), (2, 2))
        self.assertIs(context[var], value)
        self.assertIs(context.get(var), value)
        self.assertEqual(list(context.items()), [(var, value)])
        self.assertEqual(held(), (2, 2))
        del copies
        self.assertEqual(held(), (1, 1))
        del context
        self.assertEqual(held(), (0, 0))

    def test_T10_a_token_holds_old_value_and_variable(self):
        value, var = Value(), ContextVar("var")
        before = sys.getrefcount(value)
        context = Context()
        context.run(var.set, value)
        token = context.run(var.set, None)
        self.assertGreater(sys.getrefcount(value), before)
        del context
        self.assertIs(token.old_value, value)
        del token
        self.assertEqual(sys.getrefcount(value), before)

    def test_C9_a_comparison_that_fails_keeps_nothing(self):
        class Failing(Value):
            def __eq__(self, other):
                raise ValueError

        var, contexts, values = ContextVar("var"), [Context(), Context()], [Failing(), Failing()]
        for context, value in zip(contexts, values):
            context.run(var.set, value)
        before = [sys.getrefcount(value) for value in values]
        for _ in range(100):
            with self.assertRaises(ValueError):
                contexts[0] == contexts[1]
        self.assertEqual([sys.getrefcount(value) for value in values], before)

    def test_C12_run_and_its_errors_keep_nothing(self):
        context = Context()
        before = sys.getrefcount(context)
        for _ in range(100):
            with self.assertRaises(ZeroDivisionError):
                context.run(lambda: 1 / 0)
            with self.assertRaises(RuntimeError):
                context.run(context.run, int)
        self.assertEqual(sys.getrefcount(context), before)

    def test_V14_a_context_keeps_a_variable_that_was_dropped(self):
        context = Context()
        context.run(ContextVar("dropped").set, "value")
        gc.collect()
        (var, value), = context.items()
        self.assertEqual((var.name, value), ("dropped", "value"))
        self.assertEqual(context[var], "value")
        self.assertIs(next(iter(context)), var)

    def test_C18_contexts_have_weak_references(self):
        context = Context()
        reference = weakref.ref(context)
        self.assertIs(reference(), context)
        del context
        self.assertIsNone(reference())

    def test_H4_the_wrapper_of_a_context_is_one(self):
        context = Context()
        self.assertIs(context.run(nookvars._peek), context)
        copy_context()
        first = nookvars._peek()
        self.assertIs(nookvars._peek(), first)
        del first
        self.assertEqual(len(nookvars._peek()), 0)  # a new wrapper, the same context


class Collection(Balanced):
    def test_V16_a_default_that_holds_its_variable_is_collected(self):
        value = Value()
        value.var = ContextVar("var", default=value)
        reference = weakref.ref(value)
        del value
        gc.collect()
        self.assertIsNone(reference())

    def test_M12_a_token_in_the_value_that_it_keeps_is_collected(self):
        value, var = Value(), ContextVar("var")
        context = Context()
        context.run(var.set, value)
        value.token = context.run(var.set, None)  # value -> token -> old value
        reference = weakref.ref(value)
        del value, context
        gc.collect()
        self.assertIsNone(reference())

    def cycle(self):
        """A context that binds a value which holds the context, and a weak reference to that."""
        var, context, value = ContextVar("var"), Context(), Value()
        value.context = context
        context.run(var.set, value)
        return context, weakref.ref(value)

    def test_M12_H17_a_cycle_through_a_context_is_collected(self):
        context, reference = self.cycle()
        gc.collect()
        self.assertIs(reference().context, context)
        del context
        self.assertIsNotNone(reference())
        gc.collect()
        self.assertIsNone(reference())

    def test_M12_H17_a_cycle_among_many_variables_is_collected(self):
        context, value = Context(), Value()
        value.context = context
        reference = weakref.ref(value)
        for number in range(100):
            context.run(ContextVar(str(number)).set, value)
        del context, value
        gc.collect()
        self.assertIsNone(reference())

    def test_M12_H17_a_cycle_whose_map_is_shared_stays_until_it_is_not(self):
        context, reference = self.cycle()
        copy = context.copy()
        del context
        gc.collect()
        self.assertIsNotNone(reference())
        self.assertIs(reference().context[next(iter(copy))], reference())
        del copy
        gc.collect()
        self.assertIsNone(reference())

    def test_M12_H17_a_cycle_through_a_context_that_is_current_stays(self):
        def inside():
            var, value = ContextVar("var"), Value()
            value.context = nookvars._peek()
            var.set(value)
            reference = weakref.ref(value)
            del value
            gc.collect()
            self.assertIs(var.get(), reference())
            return reference

        references = [Context().run(inside), nookvars._apart(inside)]
        gc.collect()
        self.assertEqual([reference() for reference in references], [None, None])

    def test_C21_collections_inside_every_operation(self):
        variables = [ContextVar(str(number)) for number in range(40)]
        limits = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for var in variables:
                value = Value()
                value.token = var.set(value)
                var.set(value)
                copy_context().run(var.set, [value])
            self.assertEqual(len(copy_context()), len(variables))
            for var in variables:
                var.get().token = None
        finally:
            gc.set_threshold(*limits)


class Chains(Balanced):
    """A release that releases the next, a hundred thousand deep: the stack must not."""

    def test_contexts_in_contexts(self):
        var, context = ContextVar("var"), None
        for _ in range(100000):
            inner, context = context, Context()
            context.run(var.set, inner)
        del inner, context

    def test_tokens_in_tokens(self):
        var, token = ContextVar("var"), None
        for _ in range(100000):
            var.set(token)
            token = var.set(None)
        del token


class Deaths(Balanced):
    THREADS = 10

    def in_threads(self, work, start):
        """Runs `work(barrier)` on ten threads at once, and waits for their last words."""
        barrier = threading.Barrier(self.THREADS)
        Value.deaths = 0
        starters = [start(work, barrier) for _ in range(self.THREADS)]
        for thread in starters:
            thread.join()

    @staticmethod
    def python_thread(work, barrier):
        thread = threading.Thread(target=work, args=(barrier,))
        thread.start()
        return thread

    @staticmethod
    def native_thread(work, barrier):
        thread = threading.Thread(
            target=nookvars._native_thread, args=(lambda: work(barrier),))
        thread.start()
        return thread

    def hold_and_die(self, start):
        shared = ContextVar("shared")

        def work(barrier):
            own = ContextVar("own")
            shared.set(Value())
            own.set(Value())
            held = copy_context()
            held.run(own.set, Value())
            barrier.wait()

        self.in_threads(work, start)
        self.assertTrue(eventually(lambda: Value.deaths == 3 * self.THREADS), Value.deaths)

    def test_H2_H10_threads_die_while_they_hold_contexts(self):
        self.hold_and_die(self.python_thread)

    def test_H2_H10_native_threads_die_while_they_hold_contexts(self):
        self.hold_and_die(self.native_thread)

    def test_H2_destructors_on_a_dying_thread_may_use_contexts(self):
        var, words = ContextVar("var", default="unset"), []

        class Speaker(Value):
            def __del__(self):
                words.append(var.get())
                var.set("last words")  # a new base, on a thread that is going
                words.append(copy_context().run(var.get))
                super().__del__()

        def work(barrier):
            var.set(Speaker())
            barrier.wait()

        for start in (self.python_thread, self.native_thread):
            words.clear()
            self.in_threads(work, start)
            self.assertTrue(eventually(lambda: Value.deaths == self.THREADS), Value.deaths)
            self.assertEqual(sorted(words), sorted(["unset", "last words"] * self.THREADS))

    def test_T10_tokens_and_contexts_of_a_dead_thread(self):
        var, kept = ContextVar("var"), []

        def work(barrier):
            var.set(Value())
            kept.append((var.set(None), copy_context()))
            barrier.wait()

        self.in_threads(work, self.python_thread)
        self.assertTrue(all(isinstance(token.old_value, Value) for token, _ in kept))
        self.assertTrue(all(context[var] is None for _, context in kept))
        self.assertEqual(Value.deaths, 0)
        for token, context in kept:
            with self.assertRaisesRegex(ValueError, "different Context"):
                context.run(var.reset, token)
        del token, context
        kept.clear()
        self.assertTrue(eventually(lambda: Value.deaths == self.THREADS), Value.deaths)

    def test_H10_detach_gives_everything_up_at_once(self):
        var = ContextVar("var", default="unset")
        Value.deaths = 0
        var.set(Value())
        self.assertEqual(Value.deaths, 0)
        nookvars._detach()
        self.assertEqual((Value.deaths, var.get()), (1, "unset"))


class Suite(Balanced):
    def test_CPythons_own_tests_leave_nothing(self):
        module = importlib.import_module("test.test_context")
        for _ in range(3):
            tests = unittest.TestLoader().loadTestsFromTestCase(module.ContextTest)
            result = unittest.TestResult()
            tests.run(result)
            self.assertTrue(result.wasSuccessful() and result.testsRun > 0, result)


def tearDownModule():
    nookvars._detach()
    if counts() != NOTHING:
        raise AssertionError(f"alive: contexts, nodes, variables, tokens: {counts()}")


if __name__ == "__main__":
    unittest.main()
