/* SPDX-License-Identifier: MIT */
/*
 * A keyed backing whose key is the task, and which hears of the task's end.
 *
 * Whoever stores something first leaves a marker, and asks to be told when the
 * task or the thread ends: an identity that has anything has a marker, and an
 * identity with a marker will be forgotten.
 */
#include <nook/identity.h>
#include <nook/task.h>
#include <pthread.h>
#include <stdlib.h>

struct by_task {
    nook_backing face; /* first: what the user holds */
    nook_backing *keyed;
    void *marker; /* a cell of `keyed` */
    nook_tls_key thread_end;
};

/* Tasks have odd identities; threads, whose handles are aligned, even ones. */
static uintptr_t ident_here(void *user)
{
    nook_task *task = nook_task_current();
    (void)user;
    if (task != NULL)
        return (uintptr_t)nook_task_id(task) * 2 + 1;
    return (uintptr_t)pthread_self();
}

static void forget_here(void *user)
{
    struct by_task *by_task = user;
    (void)nook_backing_forget(by_task->keyed, ident_here(NULL));
}

static void forget_thread(void *value, void *user)
{
    (void)value;
    forget_here(user);
}

/* A marker is only a sign: nobody counts its holders. */
static void no_holder(void *stored)
{
    (void)stored;
}

static const nook_cell_ops marker_ops = {no_holder, no_holder};

static int mark(struct by_task *by_task)
{
    const nook_backing *keyed = by_task->keyed;
    void *marker = NULL;
    int rc = keyed->ops->load(by_task->marker, &marker, keyed->user);
    if (rc != 0 || marker != NULL)
        return rc;
    rc = nook_task_current() != NULL ? nook_task_at_end(forget_here, by_task)
                                     : nook_tls_set(by_task->thread_end, by_task);
    return rc != 0 ? rc : keyed->ops->store(by_task->marker, by_task, keyed->user);
}

static int cell_open(void **cell, const nook_cell_ops *ops, void *user)
{
    const nook_backing *keyed = ((struct by_task *)user)->keyed;
    return keyed->ops->open(cell, ops, keyed->user);
}

static int cell_load(void *cell, void **stored, void *user)
{
    const nook_backing *keyed = ((struct by_task *)user)->keyed;
    return keyed->ops->load(cell, stored, keyed->user);
}

static int cell_store(void *cell, void *stored, void *user)
{
    struct by_task *by_task = user;
    int rc = stored != NULL ? mark(by_task) : 0;
    return rc != 0 ? rc : by_task->keyed->ops->store(cell, stored, by_task->keyed->user);
}

static void cell_close(void *cell, void *user)
{
    const nook_backing *keyed = ((struct by_task *)user)->keyed;
    keyed->ops->close(cell, keyed->user);
}

static int cell_foreach(void *cell, nook_tls_visit visit, void *arg, void *user)
{
    const nook_backing *keyed = ((struct by_task *)user)->keyed;
    return keyed->ops->foreach(cell, visit, arg, keyed->user);
}

static const nook_backing_ops backing_ops = {
    .open = cell_open,
    .load = cell_load,
    .store = cell_store,
    .close = cell_close,
    .foreach = cell_foreach,
    .ident = ident_here,
};

static int open_all(struct by_task *by_task)
{
    nook_tls_options options = {.destructor = forget_thread, .user = by_task};
    int rc = nook_backing_keyed_new(&by_task->keyed, ident_here, NULL);
    if (rc != 0)
        return rc;
    rc = by_task->keyed->ops->open(&by_task->marker, &marker_ops, by_task->keyed->user);
    if (rc == 0) {
        rc = nook_tls_new(&by_task->thread_end, &options);
        if (rc == 0)
            return 0;
        by_task->keyed->ops->close(by_task->marker, by_task->keyed->user);
    }
    nook_backing_keyed_free(by_task->keyed);
    return rc;
}

int nook_backing_task_new(nook_backing **out)
{
    struct by_task *by_task;
    if (out == NULL)
        return NOOK_EINVAL;
    by_task = calloc(1, sizeof(*by_task));
    if (by_task == NULL)
        return NOOK_ENOMEM;
    int rc = open_all(by_task);
    if (rc != 0) {
        free(by_task);
        return rc;
    }
    by_task->face = (nook_backing){&backing_ops, by_task};
    *out = &by_task->face;
    return 0;
}

void nook_backing_task_free(nook_backing *backing)
{
    struct by_task *by_task;
    if (backing == NULL)
        return;
    by_task = backing->user;
    (void)nook_tls_delete(by_task->thread_end);
    by_task->keyed->ops->close(by_task->marker, by_task->keyed->user);
    nook_backing_keyed_free(by_task->keyed);
    free(by_task);
}
