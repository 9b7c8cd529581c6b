/* SPDX-License-Identifier: MIT */
/* Token, and Token.MISSING. */
#include "nookvars.h"

token_object *token_new(variable_object *var)
{
    token_object *self = PyObject_GC_New(token_object, &token_type);
    if (self == NULL)
        return NULL;
    self->token = (nook_token){0};
    self->var = (variable_object *)Py_NewRef(var);
    self->old = NULL;
    return self;
}

static PyObject *token_refuse(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)type, (void)args, (void)kwargs;
    return PyErr_Format(PyExc_RuntimeError, "Tokens can only be created by ContextVars");
}

/* A live token owns one reference to the old value and one to the wrapper, like a
 * binding, and shares them with nobody: the collector may be told. */
static int token_traverse(PyObject *object, visitproc visit, void *arg)
{
    token_object *self = (token_object *)object;
    void *old;
    if (nook_token_old(&self->token, &old) == 0) {
        Py_VISIT((PyObject *)old);
        Py_VISIT(self->var);
    }
    Py_VISIT(self->var);
    Py_VISIT(self->old);
    return 0;
}

static int token_clear(PyObject *object)
{
    token_object *self = (token_object *)object;
    nook_token_drop(&self->token);
    Py_CLEAR(self->old);
    Py_CLEAR(self->var);
    return 0;
}

/* Old values are often tokens' holders, and their chains long: Py_TRASHCAN. */
static void token_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, token_dealloc)
    token_clear(object);
    PyObject_GC_Del(object);
    Py_TRASHCAN_END
}

static PyObject *token_repr(PyObject *object)
{
    token_object *self = (token_object *)object;
    int inside = Py_ReprEnter(object);
    if (inside != 0)
        return inside > 0 ? PyUnicode_FromString("<Token ...>") : NULL;
    PyObject *repr =
        PyUnicode_FromFormat("<Token%s var=%R at %p>",
                             nook_token_used(&self->token) ? " used" : "", self->var, self);
    Py_ReprLeave(object);
    return repr;
}

static PyObject *token_var(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((token_object *)object)->var);
}

static PyObject *missing;

static PyObject *token_old_value(PyObject *object, void *unused)
{
    PyObject *old = ((token_object *)object)->old;
    (void)unused;
    return Py_NewRef(old != NULL ? old : missing);
}

/* `with var.set(x):`, as CPython 3.14 has it [T13-T17]. */
static PyObject *token_enter(PyObject *object, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(object);
}

static PyObject *token_exit(PyObject *object, PyObject *args)
{
    (void)args;
    return variable_reset((PyObject *)((token_object *)object)->var, object);
}

static PyObject *missing_repr(PyObject *object)
{
    (void)object;
    return PyUnicode_FromString("<Token.MISSING>");
}

int token_ready(void)
{
    if (PyType_Ready(&missing_type) < 0 || PyType_Ready(&token_type) < 0)
        return -1;
    if (missing == NULL)
        missing = PyObject_New(PyObject, &missing_type);
    if (missing == NULL || PyDict_SetItemString(token_type.tp_dict, "MISSING", missing) < 0)
        return -1;
    PyType_Modified(&token_type);
    return 0;
}

static PyMethodDef methods[] = {
    {"__enter__", token_enter, METH_NOARGS, NULL},
    {"__exit__", token_exit, METH_VARARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"var", token_var, NULL, NULL, NULL},
    {"old_value", token_old_value, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject token_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nookvars.Token",
    .tp_basicsize = sizeof(token_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = token_refuse,
    .tp_dealloc = token_dealloc,
    .tp_traverse = token_traverse,
    .tp_clear = token_clear,
    .tp_repr = token_repr,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_methods = methods,
    .tp_getset = attributes,
};

PyTypeObject missing_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nookvars.Token.MISSING",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_repr = missing_repr,
};
