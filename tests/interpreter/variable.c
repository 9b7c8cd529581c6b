/* SPDX-License-Identifier: MIT */
/* ContextVar, and what nook does with Python's values. */
#include "nookvars.h"

/* --- value operations ------------------------------------------------------ */

static void value_retain(void *value, void *wrapper)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_INCREF(value);
    Py_INCREF(wrapper);
    PyGILState_Release(gil);
}

/* Also on a thread that Python has forgotten already: its base context goes last. */
static void value_release(void *value, void *wrapper)
{
    PyGILState_STATE gil;
    if (!gil_take(&gil))
        return; /* the interpreter is ending: the memory goes with the process */
    Py_DECREF(value);
    Py_DECREF(wrapper);
    PyGILState_Release(gil);
}

/* -1 with an exception set, which travels through nook_context_equal. */
static int value_equal(void *a, void *b, void *wrapper)
{
    (void)wrapper;
    PyGILState_STATE gil = PyGILState_Ensure();
    int equal = PyObject_RichCompareBool(a, b, Py_EQ);
    PyGILState_Release(gil);
    return equal;
}

static const nook_value_ops value_ops = {
    .retain = value_retain, .release = value_release, .equal = value_equal};

/* --- life ------------------------------------------------------------------ */

/* nook's name is for people who debug C: any str gives one. */
static int make_var(variable_object *self)
{
    nook_var_options options = {.ops = &value_ops, .user = self};
    PyObject *bytes = PyUnicode_AsEncodedString(self->name, "utf-8", "backslashreplace");
    if (bytes == NULL)
        return -1;
    int rc = nook_var_new(&self->var, PyBytes_AS_STRING(bytes), &options);
    Py_DECREF(bytes);
    if (rc < 0)
        raise_code(rc);
    return rc < 0 ? -1 : 0;
}

/* Of the object and the name, as CPython does; a name may be an unhashable str [V4]. */
static int make_hash(variable_object *self)
{
    Py_hash_t name = PyObject_Hash(self->name);
    if (name == -1)
        return -1;
    Py_uhash_t mixed = (Py_uhash_t)name ^ ((Py_uhash_t)(uintptr_t)self >> 4);
    self->hash = mixed == (Py_uhash_t)-1 ? -2 : (Py_hash_t)mixed;
    return 0;
}

static PyObject *variable_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char empty[] = "", key[] = "default";
    static char *words[] = {empty, key, NULL};
    PyObject *name, *fallback = NULL;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:ContextVar", words, &name, &fallback))
        return NULL;
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "context variable name must be a str");
    variable_object *self = PyObject_GC_New(variable_object, &variable_type);
    if (self == NULL)
        return NULL;
    self->var = NULL;
    self->name = Py_NewRef(name);
    self->fallback = Py_XNewRef(fallback);
    if (make_hash(self) < 0 || make_var(self) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int variable_traverse(PyObject *object, visitproc visit, void *arg)
{
    variable_object *self = (variable_object *)object;
    Py_VISIT(self->name);
    Py_VISIT(self->fallback);
    return 0;
}

static int variable_clear(PyObject *object)
{
    Py_CLEAR(((variable_object *)object)->fallback);
    return 0;
}

/* No binding is left: each holds the wrapper. */
static void variable_dealloc(PyObject *object)
{
    variable_object *self = (variable_object *)object;
    PyObject_GC_UnTrack(object);
    nook_var_unref(self->var);
    Py_XDECREF(self->fallback);
    Py_XDECREF(self->name);
    PyObject_GC_Del(object);
}

/* --- methods --------------------------------------------------------------- */

static PyObject *variable_get(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    variable_object *self = (variable_object *)object;
    if (count > 1)
        return PyErr_Format(PyExc_TypeError, "get expected at most 1 argument, got %zd", count);
    /* No Python value is NULL, so NULL says "unbound". */
    PyObject *value = nook_var_get_or(self->var, NULL);
    if (value == NULL)
        value = count == 1 ? args[0] : self->fallback;
    if (value == NULL)
        PyErr_SetObject(PyExc_LookupError, object);
    return Py_XNewRef(value);
}

static PyObject *variable_set(PyObject *object, PyObject *value)
{
    variable_object *self = (variable_object *)object;
    token_object *token = token_new(self);
    if (token == NULL)
        return NULL;
    int rc = nook_var_set(self->var, value, &token->token);
    void *old = NULL;
    if (rc == 0 && nook_token_old(&token->token, &old) == 0)
        token->old = Py_NewRef(old);
    PyObject_GC_Track(token);
    if (rc == 0)
        return (PyObject *)token;
    Py_DECREF(token);
    return raise_code(rc);
}

PyObject *variable_reset(PyObject *object, PyObject *token)
{
    variable_object *self = (variable_object *)object;
    if (!Py_IS_TYPE(token, &token_type))
        return PyErr_Format(PyExc_TypeError, "expected an instance of Token, got %R", token);
    switch (nook_var_reset(self->var, &((token_object *)token)->token)) {
    case 0:
        Py_RETURN_NONE;
    case NOOK_EUSED:
        return PyErr_Format(PyExc_RuntimeError, "%R has already been used once", token);
    case NOOK_EWRONGVAR:
        return PyErr_Format(PyExc_ValueError, "%R was created by a different ContextVar",
                            token);
    case NOOK_EWRONGCONTEXT:
        return PyErr_Format(PyExc_ValueError, "%R was created in a different Context", token);
    default:
        return PyErr_NoMemory();
    }
}

static PyObject *repr_of(variable_object *self)
{
    if (self->fallback == NULL)
        return PyUnicode_FromFormat("<ContextVar name=%R at %p>", self->name, self);
    return PyUnicode_FromFormat("<ContextVar name=%R default=%R at %p>", self->name,
                                self->fallback, self);
}

/* A default may contain its own variable [V12]. */
static PyObject *variable_repr(PyObject *object)
{
    int inside = Py_ReprEnter(object);
    if (inside != 0)
        return inside > 0 ? PyUnicode_FromString("<ContextVar ...>") : NULL;
    PyObject *repr = repr_of((variable_object *)object);
    Py_ReprLeave(object);
    return repr;
}

static Py_hash_t variable_hash(PyObject *object)
{
    return ((variable_object *)object)->hash;
}

static PyObject *variable_name(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((variable_object *)object)->name);
}

static PyMethodDef methods[] = {
    {"get", (PyCFunction)(void (*)(void))variable_get, METH_FASTCALL, NULL},
    {"set", variable_set, METH_O, NULL},
    {"reset", variable_reset, METH_O, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
    {"name", variable_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject variable_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nookvars.ContextVar",
    .tp_basicsize = sizeof(variable_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_new = variable_new,
    .tp_dealloc = variable_dealloc,
    .tp_traverse = variable_traverse,
    .tp_clear = variable_clear,
    .tp_repr = variable_repr,
    .tp_hash = variable_hash,
    .tp_methods = methods,
    .tp_getset = attributes,
};
