/* SPDX-License-Identifier: MIT */
/* What keys(), values() and items() return: an iterator that has a length. */
#include "nookvars.h"

typedef struct {
    PyObject ob_base;       /* what PyObject_HEAD stands for */
    nook_context *snapshot; /* its length never changes */
    nook_context_iter iter;
    iterator_kind kind;
} iterator_object;

PyObject *iterator_new(nook_context *context, iterator_kind kind)
{
    nook_context *snapshot;
    int rc = nook_context_copy(context, &snapshot);
    if (rc < 0)
        return raise_code(rc);
    iterator_object *self = PyObject_New(iterator_object, &iterator_type);
    if (self == NULL) {
        nook_context_unref(snapshot);
        return NULL;
    }
    self->snapshot = snapshot;
    self->kind = kind;
    (void)nook_context_iter_open(&self->iter, snapshot); /* fails for NULL only */
    return (PyObject *)self;
}

static void iterator_dealloc(PyObject *object)
{
    iterator_object *self = (iterator_object *)object;
    nook_context_iter_close(&self->iter);
    nook_context_unref(self->snapshot);
    PyObject_Free(object);
}

static PyObject *iterator_next(PyObject *object)
{
    iterator_object *self = (iterator_object *)object;
    nook_var *var;
    void *value;
    if (nook_context_iter_next(&self->iter, &var, &value) != 0)
        return NULL;
    PyObject *key = nook_var_user(var);
    if (self->kind == ITEMS)
        return PyTuple_Pack(2, key, (PyObject *)value);
    return Py_NewRef(self->kind == KEYS ? key : (PyObject *)value);
}

static Py_ssize_t iterator_length(PyObject *object)
{
    return (Py_ssize_t)nook_context_len(((iterator_object *)object)->snapshot);
}

static PyMappingMethods mapping = {.mp_length = iterator_length};

PyTypeObject iterator_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "nookvars.iterator",
    .tp_basicsize = sizeof(iterator_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = iterator_dealloc,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = iterator_next,
    .tp_as_mapping = &mapping,
};
