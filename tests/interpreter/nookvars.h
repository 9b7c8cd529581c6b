/* SPDX-License-Identifier: MIT */
/*
 * nookvars: Python's contextvars module, built on nook's public header alone.
 *
 * Who holds whom. A wrapper (ContextVar, Context, Token) owns one reference to
 * its nook object, or the token itself; nook finds the wrapper by the user
 * pointer, which owns nothing. What keeps a ContextVar alive while a context
 * binds it is the binding: each holds its value and, by the variable's user
 * pointer, the wrapper. So a ContextVar that nook can still hand out exists.
 *
 * Under the GIL, always: every function here, and every callback from nook,
 * which takes it first. nook calls back with no lock held, so the two cannot
 * wait for each other.
 */
#ifndef TESTS_INTERPRETER_NOOKVARS_H
#define TESTS_INTERPRETER_NOOKVARS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <nook/context.h>

typedef struct {
    PyObject ob_base; /* what PyObject_HEAD stands for */
    nook_var *var;
    PyObject *name;
    PyObject *fallback; /* default=, or NULL; nook takes no part in it */
    Py_hash_t hash;
} variable_object;

typedef struct {
    PyObject ob_base; /* what PyObject_HEAD stands for */
    nook_token token;
    variable_object *var;
    PyObject *old; /* readable after the token was used, when nook's has gone */
} token_object;

typedef struct {
    PyObject ob_base; /* what PyObject_HEAD stands for */
    nook_context *context;
    PyObject *weak;
} context_object;

typedef enum { KEYS, VALUES, ITEMS } iterator_kind;

extern PyTypeObject variable_type, token_type, missing_type, context_type, iterator_type;

/* Raises what a negative code of nook's stands for, and returns NULL. */
PyObject *raise_code(int code);

/*
 * Takes the GIL, on a thread that Python knows or not: 1, to be followed by
 * PyGILState_Release. 0 once another thread ends the interpreter: Python would end
 * the thread that asks, in the middle of nook.
 */
int gil_take(PyGILState_STATE *gil);

/* An unused token of the variable, for nook_var_set to fill in. NULL: raised. */
token_object *token_new(variable_object *var);

/* ContextVar.reset(token), and the end of `with token:`. */
PyObject *variable_reset(PyObject *object, PyObject *token);

/* A wrapper that takes over the reference; NULL: raised, and the reference given back. */
PyObject *context_wrap(nook_context *context);

/* The wrapper that the context has, or a new one; None for NULL. */
PyObject *context_wrapper(nook_context *context);

/* Over what the context holds now. */
PyObject *iterator_new(nook_context *context, iterator_kind kind);

/* Makes the types ready; -1: raised. */
int token_ready(void);

#endif
