# SPDX-License-Identifier: MIT
"""An interpreter ends while contexts are held: its exit is clean, and nothing is printed."""
import subprocess
import sys
import textwrap
import unittest

DIRECTORY = sys.argv.pop(1)
ROUNDS = 5  # how threads end is a race


class Shutdown(unittest.TestCase):
    def ends(self, program, prints=""):
        start = """
            import os, sys, threading, time
            import nookvars
            from nookvars import Context, ContextVar, copy_context
            class Value:
                def __del__(self, write=os.write):
                    write(1, b"gone\\n")
            var = ContextVar("var")
        """
        path = f"import sys; sys.path.insert(0, {DIRECTORY!r})\n"
        program = path + textwrap.dedent(start) + textwrap.dedent(program)
        for _ in range(ROUNDS):
            done = subprocess.run([sys.executable, "-s", "-c", program], capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr, done.stdout), (0, "", prints))

    def test_the_main_thread_holds_a_value(self):
        self.ends("var.set(Value())", "gone\n")

    def test_a_global_context_holds_a_value(self):
        self.ends("""
            value = open(1, "w", closefd=False)
            value.write("gone\\n")  # written when it goes
            context = Context()
            context.run(var.set, value)
            del value
        """, "gone\n")

    def test_H17_a_cycle_through_a_global_context_goes(self):
        # context -> value -> its class -> __del__ -> these globals -> context
        self.ends("context = Context(); context.run(var.set, Value())", "gone\n")

    def test_a_token_holds_a_value(self):
        self.ends("var.set(Value()); token = var.set(1)", "gone\n")

    def test_exit_inside_a_context(self):
        self.ends("Context().run(lambda: (var.set(Value()), sys.exit(0)))", "gone\n")

    def test_a_daemon_thread_holds_a_value(self):
        self.ends("""
            ready = threading.Event()
            def work():
                var.set([])
                Context().run(lambda: (ready.set(), time.sleep(60)))
            threading.Thread(target=work, daemon=True).start()
            ready.wait()
        """)

    def test_daemon_threads_are_busy(self):
        self.ends("""
            def work():
                while True:
                    var.set([])
                    copy_context().run(var.set, {})
            for _ in range(4):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.02)
        """)

    def test_threads_end_just_before(self):
        self.ends("""
            for _ in range(20):
                threading.Thread(target=var.set, args=([],)).start()
        """)

    def test_native_threads_end_just_before(self):
        self.ends("""
            for _ in range(8):
                threading.Thread(target=nookvars._native_thread,
                                 args=(lambda: var.set([]),)).start()
        """)

    def test_a_child_of_fork_goes_on(self):
        self.ends("""
            context = Context()
            context.run(var.set, 1)
            var.set(2)
            child = os.fork()
            if child == 0:
                good = (context[var], var.get(), context.run(var.get)) == (1, 2, 1)
                context.run(var.set, 3)
                os._exit(0 if good and context.copy()[var] == 3 else 1)
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """)

    # Before 3.12 a child may wait for ever for a lock of CPython's own, inside os.fork
    # (python/cpython#112275), and the more threads end, the likelier. Those say nothing.
    def test_a_child_of_fork_ends_while_threads_of_its_parent_do(self):
        self.ends("""
            import select
            forked, say = os.pipe()
            os.register_at_fork(after_in_child=lambda: os.write(say, b"."))
            stuck = 0
            for _ in range(20):
                threading.Thread(target=var.set, args=([],)).start()
                child = os.fork()
                if child == 0:
                    sys.exit(0)
                if sys.version_info < (3, 12) and not select.select([forked], [], [], 5)[0]:
                    os.kill(child, 9)
                    os.waitpid(child, 0)
                    stuck += 1
                    continue
                os.read(forked, 1)
                assert os.waitpid(child, 0)[1] == 0
            assert stuck < 3, stuck
        """)


if __name__ == "__main__":
    unittest.main()
