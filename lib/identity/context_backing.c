/* SPDX-License-Identifier: MIT */
/*
 * A cell is a context variable whose value is the stored table.
 *
 * The variable is all that a cell is: contexts keep it, and with it the way to
 * release what they hold, for longer than the Local that opened it.
 */
#include <nook/context.h>
#include <nook/identity.h>

static void retain(void *stored, void *ops)
{
    if (stored != NULL)
        ((const nook_cell_ops *)ops)->retain(stored);
}

static void release(void *stored, void *ops)
{
    if (stored != NULL)
        ((const nook_cell_ops *)ops)->release(stored);
}

static const nook_value_ops value_ops = {retain, release, NULL, NULL, NOOK_INHERIT_COPY};

static int cell_open(void **cell, const nook_cell_ops *ops, void *user)
{
    nook_var_options options = {.ops = &value_ops, .user = (void *)(uintptr_t)ops};
    nook_var *var;
    (void)user;
    int rc = nook_var_new(&var, "nook.local", &options);
    if (rc == 0)
        *cell = var;
    return rc;
}

static int cell_load(void *cell, void **stored, void *user)
{
    (void)user;
    *stored = nook_var_get_or(cell, NULL);
    return 0;
}

/* The variable takes a hold of its own; the caller's was handed over. */
static int cell_store(void *cell, void *stored, void *user)
{
    (void)user;
    int rc = nook_var_set(cell, stored, NULL);
    if (rc == 0)
        release(stored, nook_var_user(cell));
    return rc;
}

static void cell_close(void *cell, void *user)
{
    (void)user;
    nook_var_unref(cell);
}

/*
 * The current context's address. Two that run at the same time have different ones: who
 * inherited a pushed request context is told apart from the one who pushed it [F15].
 */
static uintptr_t ident_here(void *user)
{
    (void)user;
    return (uintptr_t)nook_context_peek();
}

static const nook_backing_ops backing_ops = {
    .open = cell_open,
    .load = cell_load,
    .store = cell_store,
    .close = cell_close,
    .ident = ident_here,
    .flags = NOOK_BACKING_COPY_ON_WRITE,
};

const nook_backing *nook_backing_context(void)
{
    static const nook_backing backing = {&backing_ops, NULL};
    return &backing;
}
