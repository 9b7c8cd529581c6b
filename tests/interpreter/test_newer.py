# SPDX-License-Identifier: MIT
"""Behaviours of contextvars that CPython 3.11's own tests do not show yet.

The names carry the numbers of docs/semantics.md. What later versions of CPython
do (up to 3.14) is described in our words; nothing here runs their code.
"""
import replaced  # noqa: F401

import collections.abc
import gc
import sys
import threading
import unittest

from contextvars import Context, ContextVar, Token, copy_context

import nookvars


class Apart(unittest.TestCase):
    """Each test starts on a chain of contexts of its own."""

    def run(self, result=None):
        return nookvars._apart(lambda: super(Apart, self).run(result))


class Variables(Apart):
    def test_V4_an_unhashable_name_is_a_type_error(self):
        class Unhashable(str):
            __hash__ = None

        with self.assertRaisesRegex(TypeError, "unhashable"):
            ContextVar(Unhashable("name"))

    def test_V2_any_str_is_a_name(self):
        for name in ("", "\0", "\ud800", "ü", "x" * 10000):
            self.assertEqual(ContextVar(name).name, name)

    def test_V3_same_name_is_another_variable(self):
        one, two = ContextVar("twin"), ContextVar("twin")
        one.set(1)
        self.assertIsNone(two.get(None))
        self.assertNotEqual(one, two)
        self.assertNotEqual(hash(one), hash(two))

    def test_V5_V6_the_error_carries_the_variable_and_none_is_a_default(self):
        var = ContextVar("var")
        with self.assertRaises(LookupError) as caught:
            var.get()
        self.assertIs(caught.exception.args[0], var)
        self.assertIsNone(var.get(None))
        self.assertIsNone(ContextVar("none", default=None).get())
        self.assertEqual(ContextVar("one", default=1).get(2), 2)

    def test_V7_V8_get_makes_no_context_and_set_does(self):
        var = ContextVar("var", default=1)
        self.assertEqual(var.get(), 1)
        self.assertIsNone(nookvars._peek())
        self.assertEqual(len(copy_context()), 0)
        self.assertIsNotNone(nookvars._peek())

    def test_V12_a_default_may_contain_its_variable(self):
        class Holder:
            def __repr__(self):
                return f"<Holder of {self.var!r}>"

        holder = Holder()
        holder.var = ContextVar("var", default=holder)
        self.assertIn("...", repr(holder))
        self.assertIn("name='var'", repr(holder.var))
        self.assertNotIn("default", repr(ContextVar("plain")))

    def test_V13_subscripts(self):
        self.assertIs(ContextVar[int].__origin__, ContextVar)
        self.assertIs(Token[int].__origin__, Token)

    def test_C24_generators_have_no_context_of_their_own(self):
        var = ContextVar("var", default="unset")

        def generator():
            var.set("generator")
            yield var.get()
            yield var.get()

        numbers = generator()
        self.assertEqual(next(numbers), "generator")
        self.assertEqual(var.get(), "generator")
        var.set("caller")
        self.assertEqual(next(numbers), "caller")


class Tokens(Apart):
    def test_T9_T11_only_set_makes_tokens(self):
        var = ContextVar("var")
        with self.assertRaises(RuntimeError):
            Token()
        with self.assertRaises(TypeError):
            hash(var.set(1))
        with self.assertRaisesRegex(TypeError, "instance of Token"):
            var.reset(1)

    def test_T1_old_value_outlives_use(self):
        var = ContextVar("var")
        first, second = var.set(1), var.set(2)
        var.reset(second)
        var.reset(first)
        self.assertEqual((second.old_value, second.var), (1, var))
        self.assertIs(first.old_value, Token.MISSING)
        self.assertEqual(repr(Token.MISSING), "<Token.MISSING>")

    def test_T6_T7_order_of_checks_and_failed_resets(self):
        var, other, elsewhere = ContextVar("var"), ContextVar("other"), Context()
        token = var.set(1)
        with self.assertRaisesRegex(ValueError, "different ContextVar"):
            elsewhere.run(other.reset, token)
        with self.assertRaisesRegex(ValueError, "different Context$"):
            elsewhere.run(var.reset, token)
        var.reset(token)
        with self.assertRaisesRegex(RuntimeError, "already been used"):
            elsewhere.run(other.reset, token)

    def test_T8_any_order(self):
        var = ContextVar("var", default="unset")
        tokens = [var.set(number) for number in (1, 2, 3)]
        seen = []
        for token in (tokens[0], tokens[2], tokens[1]):
            var.reset(token)
            seen.append(var.get())
        self.assertEqual(seen, ["unset", 2, 1])

    def test_T12_repr_says_used_once_it_is(self):
        var = ContextVar("var")
        token = var.set(1)
        self.assertIn(repr(var), repr(token))
        self.assertNotIn(" used ", repr(token))
        var.reset(token)
        self.assertIn(" used ", repr(token))

    def test_T12_a_token_may_be_the_default_of_its_variable(self):
        things = []
        var = ContextVar("var", default=things)
        things.append(var.set(1))
        self.assertIn("...", repr(things[0]))

    def test_T13_with_restores_the_value_or_the_default(self):
        var = ContextVar("var", default="default")
        with var.set(1) as token:
            self.assertIsInstance(token, Token)
            self.assertIs(token.var, var)
            with var.set(2):
                self.assertEqual(var.get(), 2)
            self.assertEqual(var.get(), 1)
        self.assertEqual(var.get(), "default")
        self.assertNotIn(var, copy_context())

    def test_T14_with_restores_when_the_block_raises(self):
        var = ContextVar("var")
        with self.assertRaises(ZeroDivisionError):
            with var.set(1):
                1 / 0
        self.assertIsNone(var.get(None))

    def test_T15_with_undoes_every_set_of_the_block(self):
        var = ContextVar("var", default=0)
        with var.set(1):
            var.set(2)
            var.set(3)
        self.assertEqual(var.get(), 0)

    def test_T16_the_block_resets_its_own_token_or_another(self):
        var = ContextVar("var", default=0)
        with self.assertRaisesRegex(RuntimeError, "already been used"):
            with var.set(1) as token:
                var.reset(token)
        self.assertEqual(var.get(), 0)
        with var.set(1):
            var.reset(var.set(2))
            self.assertEqual(var.get(), 1)
        self.assertEqual(var.get(), 0)

    def test_T17_entered_twice_it_fails_outside(self):
        var = ContextVar("var", default=0)
        token = var.set(1)
        with self.assertRaisesRegex(RuntimeError, "already been used"):
            with token:
                with token:
                    self.assertEqual(var.get(), 1)
                self.assertEqual(var.get(), 0)

    def test_T18_a_token_works_on_another_thread_in_its_context(self):
        var, context, seen = ContextVar("var", default=0), Context(), []
        token = context.run(var.set, 1)
        thread = threading.Thread(target=context.run, args=(var.reset, token))
        thread.start()
        thread.join()
        context.run(lambda: seen.append(var.get()))
        self.assertEqual(seen, [0])

    def test_T10_tokens_outlive_their_context(self):
        var, context = ContextVar("var"), Context()
        context.run(var.set, "old")
        token = context.run(var.set, "new")
        del context
        gc.collect()
        self.assertEqual((token.var, token.old_value), (var, "old"))
        with self.assertRaisesRegex(ValueError, "different Context"):
            Context().run(var.reset, token)


class Equal:
    """Equal to its kind, after `hook` was called."""

    def __init__(self, hook):
        self.hook = hook

    def __eq__(self, other):
        self.hook()
        return isinstance(other, Equal)

    def __hash__(self):
        self.hook()
        return 1


class Contexts(Apart):
    def test_C4_is_a_mapping_and_no_other(self):
        self.assertIsInstance(copy_context(), collections.abc.Mapping)
        self.assertNotIsInstance(copy_context(), collections.abc.MutableMapping)

    def test_C8_iterators_and_views_keep_their_snapshot(self):
        context, one, two = Context(), ContextVar("one"), ContextVar("two")
        context.run(one.set, 1)
        keys, items = context.keys(), context.items()
        context.run(two.set, 2)
        context.run(one.set, 3)
        self.assertEqual((len(keys), len(items)), (1, 1))
        self.assertEqual((list(keys), list(items)), ([one], [(one, 1)]))
        self.assertEqual(sorted(context.values()), [2, 3])

    def test_C9_compares_by_value_and_passes_errors_on(self):
        def fail():
            raise KeyError("from __eq__")

        var, contexts = ContextVar("var"), [Context() for _ in range(3)]
        for context, value in zip(contexts, ([1], [1], [2])):
            context.run(var.set, value)
        self.assertTrue(contexts[0] == contexts[1])
        self.assertTrue(contexts[0] != contexts[2])
        self.assertFalse(contexts[0] == 1)
        with self.assertRaises(TypeError):
            hash(contexts[0])
        with self.assertRaises(TypeError):
            contexts[0] < contexts[1]
        contexts[0].run(var.set, Equal(fail))
        for compare in (contexts[0].__eq__, contexts[0].__ne__):
            with self.assertRaisesRegex(KeyError, "from __eq__"):
                compare(contexts[1])

    def test_C10_an_equality_that_changes_the_contexts_it_compares(self):
        variables = [ContextVar(str(i)) for i in range(100)]
        contexts = [Context(), Context()]
        calls = []

        def meddle():
            calls.append(1)
            hash(variables[0])
            for context in contexts:
                context.run(variables[-len(calls)].set, object())

        for context in contexts:
            for var in variables:
                context.run(var.set, Equal(meddle))
        self.assertTrue(contexts[0] == contexts[1])
        self.assertEqual(len(calls), 100)  # the values were compared as they had been
        self.assertFalse(contexts[0] == contexts[1])

    def test_C10_an_equality_that_drops_what_it_compares(self):
        var, contexts = ContextVar("var"), [Context(), Context()]
        for context in contexts:
            context.run(var.set, Equal(lambda: [nookvars._clear(c) for c in contexts]))
        self.assertTrue(contexts[0] == contexts[1])
        self.assertEqual([len(context) for context in contexts], [0, 0])

    def test_C12_C15_a_context_is_left_when_its_function_raises(self):
        context = Context()
        for _ in range(2):
            with self.assertRaises(ZeroDivisionError):
                context.run(lambda: 1 / 0)
        self.assertEqual(context.run(int), 0)

    def test_C15_entered_elsewhere(self):
        context, entered, leave = Context(), threading.Event(), threading.Event()
        thread = threading.Thread(
            target=context.run, args=(lambda: (entered.set(), leave.wait()),))
        thread.start()
        entered.wait()
        with self.assertRaisesRegex(RuntimeError, "already entered"):
            context.run(int)
        leave.set()
        thread.join()
        self.assertEqual(context.run(int), 0)

    def test_C16_leaving_with_another_chain_releases_the_result(self):
        before = nookvars._counts()
        context = Context()
        with self.assertRaisesRegex(RuntimeError, "not been entered|another context"):
            context.run(nookvars._detach)
        del context
        self.assertEqual(nookvars._counts(), before)

    def test_C17_the_base_context_is_not_entered(self):
        var = ContextVar("var")
        var.set("base")
        base = nookvars._peek()
        self.assertEqual(base[var], "base")
        self.assertEqual(base.run(lambda: var.get()), "base")

    def test_C19_others_read_and_copy_an_entered_context(self):
        var, context, errors, stop = ContextVar("var"), Context(), [], threading.Event()

        def read():
            while not stop.is_set():
                copy = context.copy()
                if list(copy.items()) != [(var, copy[var])]:
                    errors.append(dict(copy))

        def write():
            for number in range(20000):
                var.set(number)

        context.run(var.set, -1)
        readers = [threading.Thread(target=read) for _ in range(2)]
        for thread in readers:
            thread.start()
        context.run(write)
        stop.set()
        for thread in readers:
            thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(context[var], 19999)

    def test_C20_threads_share_an_iterator(self):
        context, variables, seen = Context(), [ContextVar(str(i)) for i in range(5000)], []
        for var in variables:
            context.run(var.set, var.name)
        values = context.values()
        threads = [threading.Thread(target=lambda: seen.extend(values)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(seen), sorted(var.name for var in variables))

    def test_C21_a_destructor_that_sets_again(self):
        var, other = ContextVar("var"), ContextVar("other")
        deaths = []

        class Setter:
            def __del__(self):
                deaths.append(var.get())
                other.set(len(deaths))
                if len(deaths) < 100:
                    var.set(Setter())

        var.set(Setter())
        for number in range(100):
            var.set(number)  # drops its token at once, and with it the Setter
        self.assertEqual(deaths, list(range(100)))
        self.assertEqual(other.get(), 100)

    def test_C21_a_destructor_that_sets_while_a_context_goes(self):
        var = ContextVar("var", default="unset")

        class Setter:
            def __del__(self):
                var.set("last words")

        context = Context()
        context.run(var.set, Setter())
        del context
        self.assertEqual(var.get(), "last words")

    def test_C22_watchers_hear_of_switches_and_not_of_sets(self):
        heard, context, var = [], Context(), ContextVar("var")
        var.set(0)
        base = nookvars._peek()
        number = nookvars._watch(heard.append)
        try:
            var.reset(var.set(1))
            self.assertEqual(heard, [])
            context.run(var.set, 1)
            nookvars._apart(int)
            with self.assertRaises(ZeroDivisionError):
                context.run(lambda: 1 / 0)
        finally:
            nookvars._unwatch(number)
        context.run(int)
        self.assertEqual(heard, [context, base, None, base, context, base])
        for place, now in enumerate([context, base, None, base, context, base]):
            self.assertIs(heard[place], now)

    def test_C22_a_watcher_that_fails_is_reported(self):
        reported = []
        hook, sys.unraisablehook = sys.unraisablehook, reported.append
        number = nookvars._watch(lambda now: 1 / 0)
        try:
            self.assertEqual(Context().run(int), 0)
        finally:
            nookvars._unwatch(number)
            sys.unraisablehook = hook
        self.assertEqual([report.exc_type for report in reported], [ZeroDivisionError] * 2)

    def test_C22_a_watcher_is_removed_while_others_run_it(self):
        stop = threading.Event()

        def switch():
            while not stop.is_set():
                Context().run(int)

        threads = [threading.Thread(target=switch) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            nookvars._unwatch(nookvars._watch(lambda now: None))
        stop.set()
        for thread in threads:
            thread.join()


class InheritingThread(threading.Thread):
    """threading.Thread(context=) of CPython 3.14: a copy at start, or what is given."""

    def __init__(self, *args, context=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.context = context
        self.error = None

    def start(self):
        if self.context is None:
            self.context = copy_context()
        super().start()

    def run(self):
        try:
            self.context.run(super().run)
        except RuntimeError as error:
            self.error = error


class Threads(Apart):
    def test_R1_R2_a_thread_starts_empty_and_its_values_stay_there(self):
        var, seen = ContextVar("var", default="unset"), []

        def work():
            seen.append(var.get())
            var.set("inside")

        var.set("outside")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual((seen, var.get()), (["unset"], "outside"))

    def test_R4_a_thread_inherits_a_copy_taken_at_its_start(self):
        var, seen = ContextVar("var"), []

        def work():
            seen.append(var.get())
            var.set("inside")

        var.set("when made")
        thread = InheritingThread(target=work)
        var.set("when started")
        thread.start()
        var.set("afterwards")
        thread.join()
        self.assertEqual((seen, var.get()), (["when started"], "afterwards"))
        self.assertEqual(thread.context[var], "inside")

    def test_R4_a_context_that_is_given_is_not_copied(self):
        var, context = ContextVar("var"), Context()
        thread = InheritingThread(target=var.set, args=(1,), context=context)
        thread.start()
        thread.join()
        self.assertEqual(context[var], 1)

    def test_R5_one_context_serves_one_thread_at_a_time(self):
        context, entered, leave = Context(), threading.Event(), threading.Event()

        def work():
            entered.set()
            leave.wait()

        first = InheritingThread(target=work, context=context)
        first.start()
        entered.wait()
        second = InheritingThread(target=int, context=context)
        second.start()
        second.join()
        leave.set()
        first.join()
        self.assertIsNone(first.error)
        self.assertIn("already entered", str(second.error))


if __name__ == "__main__":
    unittest.main()
