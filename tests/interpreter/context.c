/* SPDX-License-Identifier: MIT */
/* Context: a mapping that can be run in. */
#include "nookvars.h"

#include <stddef.h>

static nook_context *context_of(PyObject *object)
{
    return ((context_object *)object)->context;
}

/* --- life ------------------------------------------------------------------ */

PyObject *context_wrap(nook_context *context)
{
    context_object *self = PyObject_GC_New(context_object, &context_type);
    if (self == NULL) {
        nook_context_unref(context);
        return NULL;
    }
    self->context = context;
    self->weak = NULL;
    nook_context_set_user(context, self);
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyObject *context_wrapper(nook_context *context)
{
    if (context == NULL)
        Py_RETURN_NONE;
    PyObject *wrapper = nook_context_user(context);
    return wrapper != NULL ? Py_NewRef(wrapper) : context_wrap(nook_context_ref(context));
}

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    nook_context *context;
    (void)type;
    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0))
        return PyErr_Format(PyExc_TypeError, "Context() does not accept any arguments");
    int rc = nook_context_new(&context);
    return rc == 0 ? context_wrap(context) : raise_code(rc);
}

/* What value_retain counted: a value, and its variable's wrapper. */
struct visitor {
    visitproc visit;
    void *arg;
};

static int visit_binding(nook_var *var, void *value, void *visitor)
{
    visitproc visit = ((struct visitor *)visitor)->visit;
    void *arg = ((struct visitor *)visitor)->arg;
    Py_VISIT((PyObject *)nook_var_user(var));
    Py_VISIT((PyObject *)value);
    return 0;
}

/* nook tells of what goes with this wrapper, and of nothing that others share. */
static int context_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct visitor visitor = {visit, arg};
    return nook_context_visit(context_of(object), visit_binding, &visitor);
}

static int context_clear(PyObject *object)
{
    nook_context_clear(context_of(object));
    return 0;
}

/* Contexts are values of contexts, and their chains may be long: Py_TRASHCAN. */
static void context_dealloc(PyObject *object)
{
    context_object *self = (context_object *)object;
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, context_dealloc)
    if (self->weak != NULL)
        PyObject_ClearWeakRefs(object);
    nook_context_set_user(self->context, NULL); /* nook may hold the context on */
    nook_context_unref(self->context);
    PyObject_GC_Del(object);
    Py_TRASHCAN_END
}

/* --- a mapping ------------------------------------------------------------- */

/* The variable of a key; NULL: raised [C6]. */
static nook_var *key_var(PyObject *key)
{
    if (Py_IS_TYPE(key, &variable_type))
        return ((variable_object *)key)->var;
    PyErr_Format(PyExc_TypeError, "a ContextVar key was expected, got %R", key);
    return NULL;
}

/* 1 and a new reference, 0, or -1: raised. */
static int find(PyObject *object, PyObject *key, PyObject **value)
{
    void *found;
    nook_var *var = key_var(key);
    if (var == NULL)
        return -1;
    if (nook_context_find(context_of(object), var, &found) != 0)
        return 0;
    *value = Py_NewRef(found);
    nook_value_release(var, found);
    return 1;
}

static Py_ssize_t context_length(PyObject *object)
{
    return (Py_ssize_t)nook_context_len(context_of(object));
}

static int context_contains(PyObject *object, PyObject *key)
{
    nook_var *var = key_var(key);
    return var != NULL ? nook_context_contains(context_of(object), var) : -1;
}

static PyObject *context_subscript(PyObject *object, PyObject *key)
{
    PyObject *value = NULL;
    if (find(object, key, &value) == 0)
        PyErr_SetObject(PyExc_KeyError, key);
    return value;
}

static PyObject *context_get(PyObject *object, PyObject *args)
{
    PyObject *key, *fallback = Py_None, *value = NULL;
    if (!PyArg_UnpackTuple(args, "get", 1, 2, &key, &fallback))
        return NULL;
    return find(object, key, &value) != 0 ? value : Py_NewRef(fallback);
}

static PyObject *context_iter(PyObject *object)
{
    return iterator_new(context_of(object), KEYS);
}

static PyObject *context_keys(PyObject *object, PyObject *unused)
{
    (void)unused;
    return iterator_new(context_of(object), KEYS);
}

static PyObject *context_values(PyObject *object, PyObject *unused)
{
    (void)unused;
    return iterator_new(context_of(object), VALUES);
}

static PyObject *context_items(PyObject *object, PyObject *unused)
{
    (void)unused;
    return iterator_new(context_of(object), ITEMS);
}

static PyObject *context_compare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(a, &context_type) || !Py_IS_TYPE(b, &context_type) ||
        (op != Py_EQ && op != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    int equal = nook_context_equal(context_of(a), context_of(b));
    if (equal < 0) /* what value_equal raised */
        return PyErr_Occurred() ? NULL : raise_code(equal);
    return PyBool_FromLong(op == Py_EQ ? equal : !equal);
}

/* --- running --------------------------------------------------------------- */

static PyObject *refuse_entry(PyObject *object, int code)
{
    if (code != NOOK_EENTERED)
        return raise_code(code);
    return PyErr_Format(PyExc_RuntimeError, "cannot enter context: %R is already entered",
                        object);
}

static PyObject *context_run(PyObject *object, PyObject *const *args, Py_ssize_t count,
                             PyObject *names)
{
    if (count < 1)
        return PyErr_Format(PyExc_TypeError, "run() missing 1 required positional argument");
    int rc = nook_context_enter(context_of(object));
    if (rc < 0)
        return refuse_entry(object, rc);
    PyObject *result = PyObject_Vectorcall(args[0], args + 1, (size_t)count - 1, names);
    rc = nook_context_exit(context_of(object));
    if (rc == 0)
        return result;
    Py_XDECREF(result); /* [C16] */
    return raise_code(rc);
}

static PyObject *context_copy(PyObject *object, PyObject *unused)
{
    nook_context *copy;
    (void)unused;
    int rc = nook_context_copy(context_of(object), &copy);
    return rc == 0 ? context_wrap(copy) : raise_code(rc);
}

static PyMethodDef methods[] = {
    {"run", (PyCFunction)(void (*)(void))context_run, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"copy", context_copy, METH_NOARGS, NULL},
    {"get", context_get, METH_VARARGS, NULL},
    {"keys", context_keys, METH_NOARGS, NULL},
    {"values", context_values, METH_NOARGS, NULL},
    {"items", context_items, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods sequence = {.sq_contains = context_contains};

static PyMappingMethods mapping = {.mp_length = context_length,
                                   .mp_subscript = context_subscript};

PyTypeObject context_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nookvars.Context",
    .tp_basicsize = sizeof(context_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = context_new,
    .tp_dealloc = context_dealloc,
    .tp_traverse = context_traverse,
    .tp_clear = context_clear,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_richcompare = context_compare,
    .tp_iter = context_iter,
    .tp_weaklistoffset = offsetof(context_object, weak),
    .tp_as_sequence = &sequence,
    .tp_as_mapping = &mapping,
    .tp_methods = methods,
};
