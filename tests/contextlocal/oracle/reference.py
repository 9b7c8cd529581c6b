# SPDX-License-Identifier: MIT
"""Plays programs from standard input on Python's contextvars, and prints what happened.

See programs.py for the language; play.c does the same on nook.
"""
import contextvars
import os
import sys
import threading


class Failure(Exception):
    pass


def value_of(word):
    return None if word == "none" else int(word)


def text_of(value):
    return "none" if value is None else str(value)


class Player:
    def __init__(self, lines):
        self.lines = lines
        self.names = {}

    def say(self, *words):
        print(*words)

    def end_of(self, at):
        """The line after the block whose first line is `at`."""
        depth = 1
        while depth:
            depth += {"enter": 1, "run": 1, "thread": 1, "end": -1}.get(self.lines[at][0], 0)
            at += 1
        return at

    def block(self, at):
        while self.lines[at][0] != "end":
            at = self.step(at)

    def in_context(self, at, context):
        try:
            self.names[context].run(self.inside, at + 1, context)
            self.say("left", context)
        except Failure:
            self.say("left", context, "failed")
        except RuntimeError as error:
            assert "already entered" in str(error), error
            self.say("enter", context, "entered")
        return self.end_of(at + 1)

    def inside(self, at, context):
        self.say("enter", context, "ok")
        self.block(at)

    def in_thread(self, at):
        def body():
            try:
                self.block(at + 1)
                self.say("joined")
            except Failure:
                self.say("joined", "failed")
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        return self.end_of(at + 1)

    def reset(self, var, token):
        try:
            self.names[var].reset(self.names[token])
            return "ok"
        except RuntimeError:
            return "used"
        except ValueError as error:
            return "wrong-variable" if "different ContextVar" in str(error) else "wrong-context"

    def old(self, token):
        token = self.names[token]
        if " used " in repr(token):
            return "used"
        missing = token.old_value is contextvars.Token.MISSING
        return "unset" if missing else text_of(token.old_value)

    def get(self, var):
        try:
            return text_of(self.names[var].get())
        except LookupError:
            return "unset"

    def find(self, context, var):
        try:
            return text_of(self.names[context][self.names[var]])
        except KeyError:
            return "unset"

    def list(self, context):
        pairs = ((int(var.name[1:]), text_of(value))
                 for var, value in self.names[context].items())
        return " ".join(f"v{number}={value}" for number, value in sorted(pairs))

    def step(self, at):
        word, *rest = self.lines[at]
        if word in ("enter", "run"):
            return self.in_context(at, rest[0])
        if word == "thread":
            return self.in_thread(at)
        if word == "fail":
            raise Failure
        self.simple(word, rest)
        return at + 1

    def simple(self, word, rest):
        names = self.names
        if word == "var":
            default = {"default": value_of(rest[1])} if len(rest) > 1 else {}
            names[rest[0]] = contextvars.ContextVar(rest[0], **default)
        elif word == "context":
            names[rest[0]] = contextvars.Context()
        elif word == "copy":
            names[rest[0]] = names[rest[1]].copy()
        elif word == "copy_current":
            names[rest[0]] = contextvars.copy_context()
        elif word.startswith("drop_"):
            del names[rest[0]]
        elif word == "set":
            names[rest[2]] = names[rest[0]].set(value_of(rest[1]))
        elif word == "get":
            self.say(word, *rest, self.get(*rest))
        elif word == "get_or":
            self.say(word, *rest, text_of(names[rest[0]].get(value_of(rest[1]))))
        elif word == "reset":
            self.say(word, *rest, self.reset(*rest))
        elif word == "old":
            self.say(word, *rest, self.old(*rest))
        elif word == "len":
            self.say(word, *rest, len(names[rest[0]]))
        elif word == "contains":
            self.say(word, *rest, int(names[rest[1]] in names[rest[0]]))
        elif word == "find":
            self.say(word, *rest, self.find(*rest))
        elif word == "list":
            self.say(word, *rest, self.list(*rest))
        elif word == "equal":
            self.say(word, *rest, int(names[rest[0]] == names[rest[1]]))
        else:
            raise ValueError(word)


def play(lines):
    """In a thread of its own, for the empty context that it starts with."""
    lines.append(["end"])
    thread = threading.Thread(target=Player(lines).block, args=(0,))
    thread.start()
    thread.join()


def give_up(failure):
    """Part of it names what is not there: that is no program."""
    print(failure.exc_type, failure.exc_value, file=sys.stderr)
    os._exit(1)


def main():
    threading.excepthook = give_up
    lines = []
    for line in sys.stdin:
        words = line.split()
        if words[0] != "program":
            lines.append(words)
            continue
        if lines:
            play(lines)
        print(*words)
        lines = []
    play(lines)


main()
