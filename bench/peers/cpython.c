/* SPDX-License-Identifier: MIT */
/*
 * CPython's contextvars through the C API, as an extension uses them: no interpreter loop is
 * in the way. `get` is served by the variable's cache, `get-first` by the context's tree;
 * `run` calls Context.run with a function in C, which does nothing.
 */
#include <Python.h>

#include "peers.h"

#define MOST 1000

static PyObject *vars[MOST];
static PyObject *values[2];
static PyObject *other;

/* The interpreter is up, and n variables are set in the thread's context. */
static void with_variables(long n)
{
    Py_InitializeEx(0);
    values[0] = PyLong_FromLong(1000);
    values[1] = PyLong_FromLong(2000);
    BENCH_MUST(values[0] != NULL && values[1] != NULL);
    for (long i = 0; i < n; i++) {
        char name[16];
        (void)PyOS_snprintf(name, sizeof name, "v%ld", i);
        vars[i] = PyContextVar_New(name, NULL);
        PyObject *token = vars[i] == NULL ? NULL : PyContextVar_Set(vars[i], values[0]);
        BENCH_MUST(token != NULL);
        Py_DECREF(token);
    }
    other = PyContext_CopyCurrent();
    BENCH_MUST(other != NULL);
    bench_measure();
}

static void get(long n, size_t count)
{
    PyObject *var = vars[n - 1], *got = NULL;
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(PyContextVar_Get(var, NULL, &got) == 0);
        Py_DECREF(got);
    }
}

static void get_each(long n, size_t count)
{
    PyObject *got = NULL;
    for (size_t i = 0, at = 0; i < count; i++) {
        BENCH_MUST(PyContextVar_Get(vars[at], NULL, &got) == 0);
        Py_DECREF(got);
        at = at + 1 == (size_t)n ? 0 : at + 1;
    }
}

static void enter_exit(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(PyContext_Enter(other) == 0);
        BENCH_MUST(PyContext_Exit(other) == 0);
    }
}

static void get_first(long n, size_t count)
{
    PyObject *var = vars[n - 1], *got = NULL;
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(PyContext_Enter(other) == 0);
        BENCH_MUST(PyContextVar_Get(var, NULL, &got) == 0);
        Py_DECREF(got);
        BENCH_MUST(PyContext_Exit(other) == 0);
    }
}

/* Another value each time: to set the one that is there is no write of the tree. */
static void write_once(PyObject *var, size_t i)
{
    PyObject *token = PyContextVar_Set(var, values[i % 2]);
    BENCH_MUST(token != NULL);
    Py_DECREF(token);
}

static void set(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_once(vars[n - 1], i);
    }
}

static void set_reset(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyObject *token = PyContextVar_Set(vars[n - 1], values[1]);
        BENCH_MUST(token != NULL && PyContextVar_Reset(vars[n - 1], token) == 0);
        Py_DECREF(token);
    }
}

static void copy_drop(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        PyObject *copy = PyContext_CopyCurrent();
        BENCH_MUST(copy != NULL);
        Py_DECREF(copy);
    }
}

static void first_set(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PyObject *copy = PyContext_CopyCurrent();
        BENCH_MUST(copy != NULL);
        write_once(vars[n - 1], i);
        Py_DECREF(copy);
    }
}

static PyObject *nothing(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    Py_RETURN_NONE;
}

static void run(long n, size_t count)
{
    (void)n;
    static PyMethodDef method = {"nothing", nothing, METH_NOARGS, NULL};
    PyObject *function = PyCFunction_New(&method, NULL);
    PyObject *run_in = PyObject_GetAttrString(other, "run");
    BENCH_MUST(function != NULL && run_in != NULL);
    for (size_t i = 0; i < count; i++) {
        PyObject *got = PyObject_CallOneArg(run_in, function);
        BENCH_MUST(got != NULL);
        Py_DECREF(got);
    }
    Py_DECREF(run_in);
    Py_DECREF(function);
}

/* What is around the read is measured by itself and subtracted. */
#define GET_FIRST(size)                                                                \
    {                                                                                  \
        .metric = "get-first", .n = size, .loop = get_first, .around = with_variables, \
        .base = enter_exit                                                             \
    }

static const struct bench benches[] = {
    PEER_VARIABLES("get", get, with_variables),
    PEER_VARIABLES("get-each", get_each, with_variables),
    GET_FIRST(1),
    GET_FIRST(8),
    GET_FIRST(32),
    GET_FIRST(100),
    GET_FIRST(1000),
    PEER_VARIABLES("set", set, with_variables),
    PEER_VARIABLES("set-reset", set_reset, with_variables),
    PEER_VARIABLES("first-set", first_set, with_variables),
    PEER_VARIABLES("copy-drop", copy_drop, with_variables),
    PEER_VARIABLES("enter-exit", enter_exit, with_variables),
    PEER_VARIABLES("run", run, with_variables),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "CPython " PY_VERSION ", its C API, " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
