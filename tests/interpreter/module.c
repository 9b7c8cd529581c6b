/* SPDX-License-Identifier: MIT */
/*
 * The module. What contextvars does not have, and tests need, begins with an
 * underscore: counts, detach, clear, peek, apart, native_thread, watch, unwatch.
 */
#include "nookvars.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* --- the end of the interpreter -------------------------------------------- */

static atomic_ulong closer; /* the thread that ends the interpreter, once one does */
static atomic_long entering;

int gil_take(PyGILState_STATE *gil)
{
    atomic_fetch_add(&entering, 1);
    unsigned long ending = atomic_load(&closer);
    int open = ending == 0 || ending == PyThread_get_thread_ident();
    if (open)
        *gil = PyGILState_Ensure();
    atomic_fetch_sub(&entering, 1);
    return open;
}

/* Who was at the door is not in the child of a fork. */
static void after_fork(void)
{
    atomic_store(&entering, 0);
}

/* atexit: nobody new comes in, and who is at the door still does. Then the main
 * thread's values go, while Python still works: the main thread runs no destructors
 * for its thread-locals, so nobody else would do it. */
static PyObject *close_interpreter(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    atomic_store(&closer, PyThread_get_thread_ident());
    Py_BEGIN_ALLOW_THREADS
    while (atomic_load(&entering) != 0)
        sched_yield();
    Py_END_ALLOW_THREADS
    nook_thread_detach();
    Py_RETURN_NONE;
}

static int close_at_exit(PyObject *module)
{
    PyObject *atexit = PyImport_ImportModule("atexit");
    PyObject *close = PyObject_GetAttrString(module, "_close");
    PyObject *done = NULL;
    if (atexit != NULL && close != NULL)
        done = PyObject_CallMethod(atexit, "register", "O", close);
    Py_XDECREF(done);
    Py_XDECREF(close);
    Py_XDECREF(atexit);
    return done != NULL ? 0 : -1;
}

/* --- contextvars ----------------------------------------------------------- */

PyObject *raise_code(int code)
{
    if (code == NOOK_ENOMEM)
        return PyErr_NoMemory();
    return PyErr_Format(PyExc_RuntimeError, "%s", nook_strerror(code));
}

static PyObject *copy_context(PyObject *module, PyObject *unused)
{
    nook_context *copy;
    (void)module, (void)unused;
    int rc = nook_context_copy_current(&copy);
    return rc == 0 ? context_wrap(copy) : raise_code(rc);
}

/* --- for tests ------------------------------------------------------------- */

/* (contexts, nodes, vars, tokens), or None where the library does not count. */
static PyObject *counts(PyObject *module, PyObject *unused)
{
    nook_context_counts alive;
    (void)module, (void)unused;
    if (nook_context_count(&alive) != 0)
        Py_RETURN_NONE;
    return Py_BuildValue("(llll)", alive.contexts, alive.nodes, alive.vars, alive.tokens);
}

static PyObject *detach(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    nook_thread_detach();
    Py_RETURN_NONE;
}

static PyObject *clear(PyObject *module, PyObject *context)
{
    (void)module;
    if (!Py_IS_TYPE(context, &context_type))
        return PyErr_Format(PyExc_TypeError, "expected a Context, got %R", context);
    nook_context_clear(((context_object *)context)->context);
    Py_RETURN_NONE;
}

static PyObject *peek(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return context_wrapper(nook_context_peek());
}

/* Calls what a coroutine library would switch to: with a chain of its own. */
static PyObject *apart(PyObject *module, PyObject *callable)
{
    (void)module;
    nook_context *mine = nook_state_swap(NULL);
    PyObject *result = PyObject_CallNoArgs(callable);
    nook_state_drop(nook_state_swap(mine));
    return result;
}

static void *native_main(void *callable)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *result = PyObject_CallNoArgs(callable);
    if (result == NULL)
        PyErr_WriteUnraisable(callable);
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return NULL; /* Python has forgotten this thread; its base context goes after this */
}

/* On a thread that Python did not start, and waits for its end, the real one. */
static PyObject *native_thread(PyObject *module, PyObject *callable)
{
    pthread_t thread;
    int rc;
    (void)module;
    Py_BEGIN_ALLOW_THREADS
    rc = pthread_create(&thread, NULL, native_main, callable);
    if (rc == 0)
        pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    if (rc != 0)
        return PyErr_Format(PyExc_RuntimeError, "no thread: error %d", rc);
    Py_RETURN_NONE;
}

/* --- watchers [C22] -------------------------------------------------------- */

/* By nook's number. Static, and read under the GIL: a watcher that was removed
 * while it waited for the GIL finds NULL here, and nothing freed. */
static PyObject *watching[8];
static int watcher_ids[8];

static void call_watcher(PyObject *callable, nook_context *now)
{
    PyObject *wrapper = context_wrapper(now);
    PyObject *result = wrapper != NULL ? PyObject_CallOneArg(callable, wrapper) : NULL;
    if (result == NULL)
        PyErr_WriteUnraisable(callable);
    Py_XDECREF(result);
    Py_XDECREF(wrapper);
}

/* A switch may happen while an exception travels. */
static void watched(nook_context *now, void *place)
{
    PyObject *type, *value, *traceback;
    PyGILState_STATE gil;
    if (!gil_take(&gil))
        return;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *callable = Py_XNewRef(*(PyObject **)place);
    if (callable != NULL)
        call_watcher(callable, now);
    Py_XDECREF(callable);
    PyErr_Restore(type, value, traceback);
    PyGILState_Release(gil);
}

static PyObject *watch(PyObject *module, PyObject *callable)
{
    int place = 0;
    (void)module;
    while (place < 8 && watching[place] != NULL)
        place++;
    if (place == 8)
        return PyErr_Format(PyExc_RuntimeError, "no more watchers");
    int rc = nook_watcher_add(watched, &watching[place], &watcher_ids[place]);
    if (rc < 0)
        return raise_code(rc);
    watching[place] = Py_NewRef(callable);
    return PyLong_FromLong(place);
}

/* nook waits for watchers that run elsewhere, and those may wait for the GIL. */
static PyObject *unwatch(PyObject *module, PyObject *number)
{
    long place = PyLong_AsLong(number);
    (void)module;
    if (place < 0 || place >= 8 || watching[place] == NULL)
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "no such watcher");
    int rc, id = watcher_ids[place];
    PyObject *callable = watching[place];
    watching[place] = NULL;
    Py_BEGIN_ALLOW_THREADS
    rc = nook_watcher_remove(id);
    Py_END_ALLOW_THREADS
    Py_DECREF(callable);
    if (rc < 0)
        return raise_code(rc);
    Py_RETURN_NONE;
}

/* --- the module ------------------------------------------------------------ */

static PyMethodDef functions[] = {
    {"copy_context", copy_context, METH_NOARGS, NULL},
    {"_close", close_interpreter, METH_NOARGS, NULL},
    {"_counts", counts, METH_NOARGS, NULL},
    {"_detach", detach, METH_NOARGS, NULL},
    {"_clear", clear, METH_O, NULL},
    {"_peek", peek, METH_NOARGS, NULL},
    {"_apart", apart, METH_O, NULL},
    {"_native_thread", native_thread, METH_O, NULL},
    {"_watch", watch, METH_O, NULL},
    {"_unwatch", unwatch, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "nookvars",
    .m_size = -1,
    .m_methods = functions,
};

static int register_mapping(void)
{
    PyObject *abc = PyImport_ImportModule("collections.abc");
    PyObject *base = abc != NULL ? PyObject_GetAttrString(abc, "Mapping") : NULL;
    PyObject *done = NULL;
    if (base != NULL)
        done = PyObject_CallMethod(base, "register", "O", (PyObject *)&context_type);
    Py_XDECREF(done);
    Py_XDECREF(base);
    Py_XDECREF(abc);
    return done != NULL ? 0 : -1;
}

static int fill(PyObject *module)
{
    if (token_ready() < 0 || PyType_Ready(&iterator_type) < 0 ||
        PyModule_AddType(module, &variable_type) < 0 ||
        PyModule_AddType(module, &context_type) < 0 ||
        PyModule_AddType(module, &token_type) < 0)
        return -1;
    if (register_mapping() < 0 || close_at_exit(module) < 0)
        return -1;
    if (pthread_atfork(NULL, NULL, after_fork) == 0)
        return 0;
    PyErr_NoMemory();
    return -1;
}

PyMODINIT_FUNC PyInit_nookvars(void);

PyMODINIT_FUNC PyInit_nookvars(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && fill(module) < 0)
        Py_CLEAR(module);
    return module;
}
