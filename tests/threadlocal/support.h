/* SPDX-License-Identifier: MIT */
/* Fixture of the thread-local suites: each test starts and ends with nothing alive. */
#ifndef TESTS_THREADLOCAL_SUPPORT_H
#define TESTS_THREADLOCAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <nook/local.h>
#include <nook/request.h>
#include <pthread.h>

/* --- values --------------------------------------------------------------- */

/* A value that knows how often it is held, and how often it was let go. */
struct counted {
    int held;
    int released;
};

static inline void counted_retain(void *value, void *user)
{
    (void)user;
    __atomic_add_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED);
}

static inline void counted_release(void *value, void *user)
{
    (void)user;
    __atomic_sub_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&((struct counted *)value)->released, 1, __ATOMIC_RELAXED);
}

static inline int held(struct counted *value)
{
    return __atomic_load_n(&value->held, __ATOMIC_RELAXED);
}

static inline int released(struct counted *value)
{
    return __atomic_load_n(&value->released, __ATOMIC_RELAXED);
}

/* --- threads -------------------------------------------------------------- */

/* Runs fn on a thread of its own and waits. fn records; the caller asserts. */
static inline void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- a backing that is switched by hand ----------------------------------- */

/*
 * Stands for contexts: FLOWS identities, of which `flow_now` is the current one; a fork
 * shares all that the parent has, as a copied context does. `flow_fails` makes the next
 * store fail. flow_backing has no numbers for identities, numbered_backing has.
 */
enum { FLOWS = 4 };

struct flow_cell {
    const nook_cell_ops *ops;
    void *stored[FLOWS];
    struct flow_cell *next;
};

static struct flow_cell *flow_cells;
static int flow_now;
static int flow_fails;

static inline int flow_open(void **out, const nook_cell_ops *ops, void *user)
{
    struct flow_cell *cell = calloc(1, sizeof *cell);
    (void)user;
    if (cell == NULL)
        return NOOK_ENOMEM;
    cell->ops = ops;
    cell->next = flow_cells;
    flow_cells = cell;
    *out = cell;
    return 0;
}

static inline int flow_load(void *cell, void **stored, void *user)
{
    (void)user;
    *stored = ((struct flow_cell *)cell)->stored[flow_now];
    return 0;
}

static inline int flow_store(void *what, void *stored, void *user)
{
    struct flow_cell *cell = what;
    void *before = cell->stored[flow_now];
    (void)user;
    if (flow_fails) {
        flow_fails = 0;
        return NOOK_EAGAIN;
    }
    cell->stored[flow_now] = stored;
    if (before != NULL)
        cell->ops->release(before);
    return 0;
}

static inline void flow_close(void *what, void *user)
{
    struct flow_cell **at = &flow_cells, *cell = what;
    (void)user;
    while (*at != cell)
        at = &(*at)->next;
    *at = cell->next;
    for (int i = 0; i < FLOWS; i++)
        if (cell->stored[i] != NULL)
            cell->ops->release(cell->stored[i]);
    free(cell);
}

static inline uintptr_t flow_ident(void *user)
{
    (void)user;
    return (uintptr_t)flow_now;
}

/* The child starts with what the current one has. */
static inline void flow_fork(int child)
{
    for (struct flow_cell *cell = flow_cells; cell != NULL; cell = cell->next) {
        if (cell->stored[flow_now] != NULL)
            cell->ops->retain(cell->stored[flow_now]);
        if (cell->stored[child] != NULL)
            cell->ops->release(cell->stored[child]);
        cell->stored[child] = cell->stored[flow_now];
    }
}

/* What the identity has left. */
static inline int flow_residue(int flow)
{
    int n = 0;
    for (struct flow_cell *cell = flow_cells; cell != NULL; cell = cell->next)
        n += cell->stored[flow] != NULL;
    return n;
}

static const nook_backing_ops flow_ops = {
    flow_open, flow_load, flow_store, flow_close, NULL, NULL, NOOK_BACKING_COPY_ON_WRITE};
static const nook_backing_ops numbered_ops = {
    flow_open, flow_load, flow_store, flow_close, NULL, flow_ident, NOOK_BACKING_COPY_ON_WRITE};
static const nook_backing flow_backing = {&flow_ops, NULL};
static const nook_backing numbered_backing = {&numbered_ops, NULL};

/* --- a keyed identity that is switched by hand ---------------------------- */

static uintptr_t ident_now = 1;

static inline uintptr_t ident_by_hand(void *user)
{
    (void)user;
    return ident_now;
}

/* --- fixture -------------------------------------------------------------- */

static inline int nothing_alive(void **state)
{
    nook_local_counts c;
    (void)state;
    (void)flow_backing;
    (void)numbered_backing;
    flow_now = flow_fails = 0;
    ident_now = 1;
    nook_tls_detach();
    if (flow_cells != NULL) {
        print_error("alive: a cell of the test's backing\n");
        return -1;
    }
    int rc = nook_local_count(&c);
    if (rc == NOOK_ENOTSUP)
        return 0;
    if (rc == 0 && (c.keys | c.threads | c.values | c.backings | c.cells | c.locals | c.stacks |
                    c.tables | c.items | c.managers | c.apps | c.contexts | c.requests) == 0)
        return 0;
    print_error("alive: %ld keys, %ld threads, %ld values, %ld backings, %ld cells, "
                "%ld locals, %ld stacks, %ld tables, %ld items, %ld managers, %ld apps, "
                "%ld contexts, %ld requests\n",
                c.keys, c.threads, c.values, c.backings, c.cells, c.locals, c.stacks, c.tables,
                c.items, c.managers, c.apps, c.contexts, c.requests);
    return -1;
}

#define local_test(fn) cmocka_unit_test_setup_teardown(fn, nothing_alive, nothing_alive)

#endif
