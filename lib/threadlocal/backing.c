/* SPDX-License-Identifier: MIT */
/* The backing whose identities are threads: a key a cell. */
#include "count.h"

#include <nook/local.h>

#include <pthread.h>
#include <stdlib.h>

struct cell {
    nook_tls_key key;
    const nook_cell_ops *ops;
};

static void release_stored(void *stored, void *user)
{
    const nook_cell_ops *ops = user;
    ops->release(stored);
}

static int thread_open(void **out, const nook_cell_ops *ops, void *user)
{
    (void)user;
    struct cell *cell = malloc(sizeof *cell);
    if (cell == NULL)
        return NOOK_ENOMEM;
    nook_tls_options options = {.destructor = release_stored, .user = (void *)(uintptr_t)ops};
    int rc = nook_tls_new(&cell->key, &options);
    if (rc < 0) {
        free(cell);
        return rc;
    }
    cell->ops = ops;
    NOOK__LOCAL_COUNT(cells, 1);
    *out = cell;
    return 0;
}

static int thread_load(void *what, void **stored, void *user)
{
    struct cell *cell = what;
    (void)user;
    int rc = nook_tls_get(cell->key, stored);
    if (rc == NOOK_EUNSET) {
        *stored = NULL;
        rc = 0;
    }
    return rc;
}

static int thread_store(void *what, void *stored, void *user)
{
    struct cell *cell = what;
    void *before;
    if (stored == NULL) {
        int rc = nook_tls_unset(cell->key);
        return rc == NOOK_EUNSET ? 0 : rc;
    }
    int rc = thread_load(what, &before, user);
    if (rc < 0)
        return rc;
    rc = nook_tls_set(cell->key, stored);
    if (rc == 0 && before == stored) /* the key destroys nothing then */
        cell->ops->release(stored);
    return rc;
}

static void thread_close(void *what, void *user)
{
    struct cell *cell = what;
    (void)user;
    (void)nook_tls_delete(cell->key);
    free(cell);
    NOOK__LOCAL_COUNT(cells, -1);
}

static int thread_foreach(void *what, nook_tls_visit visit, void *arg, void *user)
{
    struct cell *cell = what;
    (void)user;
    return nook_tls_foreach(cell->key, visit, arg);
}

/*
 * pthread_self() counts as constant, so a compiler may keep its answer over a switch to
 * another thread. The asm keeps it from saying the same of this function.
 */
static uintptr_t thread_ident(void *user)
{
    (void)user;
    __asm__ volatile("" : : : "memory");
    return (uintptr_t)pthread_self();
}

static const nook_backing_ops thread_ops = {
    thread_open, thread_load, thread_store, thread_close, thread_foreach, thread_ident, 0,
};

static const nook_backing thread_backing = {&thread_ops, NULL};

const nook_backing *nook_backing_thread(void)
{
    return &thread_backing;
}

int nook_backing_ident(const nook_backing *backing, uintptr_t *ident)
{
    if (ident == NULL)
        return NOOK_EINVAL;
    if (backing == NULL)
        backing = &thread_backing;
    if (backing->ops->ident == NULL)
        return NOOK_ENOTSUP;
    *ident = backing->ops->ident(backing->user);
    return 0;
}
