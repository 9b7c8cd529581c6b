/* SPDX-License-Identifier: MIT */
/* Fixture of the context suites: each test starts and ends with nothing alive. */
#ifndef TESTS_CONTEXTLOCAL_SUPPORT_H
#define TESTS_CONTEXTLOCAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nook/context.h>
#include <pthread.h>

/* A value that knows how often it is held. */
struct counted {
    int held;
    int number;
};

static inline void counted_retain(void *value, void *user)
{
    (void)user;
    if (value != NULL)
        __atomic_add_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED);
}

static inline void counted_release(void *value, void *user)
{
    (void)user;
    if (value != NULL)
        __atomic_sub_fetch(&((struct counted *)value)->held, 1, __ATOMIC_RELAXED);
}

static inline int counted_equal(void *a, void *b, void *user)
{
    (void)user;
    return ((struct counted *)a)->number == ((struct counted *)b)->number;
}

static const nook_value_ops counted_ops = {counted_retain, counted_release, counted_equal, NULL,
                                           NOOK_INHERIT_COPY};

/* Runs fn on a thread of its own and waits. fn records; the caller asserts. */
static inline void in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static inline int nothing_alive(void **state)
{
    nook_context_counts counts = {0};
    (void)state;
    (void)counted_ops;
    nook_thread_detach();
    int rc = nook_context_count(&counts);
    if (rc == NOOK_ENOTSUP)
        return 0;
    if (rc == 0 && counts.contexts == 0 && counts.nodes == 0 && counts.vars == 0 &&
        counts.tokens == 0)
        return 0;
    print_error("alive: %ld contexts, %ld nodes, %ld variables, %ld tokens\n", counts.contexts,
                counts.nodes, counts.vars, counts.tokens);
    return -1;
}

#define context_test(fn) cmocka_unit_test_setup_teardown(fn, nothing_alive, nothing_alive)

#endif
