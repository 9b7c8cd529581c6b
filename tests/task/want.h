/* SPDX-License-Identifier: MIT */
/*
 * Programs that check as they go: a task that does not find what it wants returns the
 * line, which main passes on, and the main thread asserts that there was none.
 */
#ifndef TESTS_TASK_WANT_H
#define TESTS_TASK_WANT_H

#include "support.h"

#define WANT(what)           \
    do {                     \
        if (!(what))         \
            return __LINE__; \
    } while (0)

static inline void every_way(nook_task_fn main)
{
    for (enum way way = 0; way < WAYS; way++)
        assert_int_equal(run(way, main, NULL), 0);
}

/* --- tasks that do one thing ---------------------------------------------- */

/* Sleeps so many milliseconds, and returns `result`, or what the sleep said. */
struct nap {
    unsigned ms;
    int result;
    atomic_int ended;
};

static inline int take_nap(void *arg)
{
    struct nap *nap = arg;
    int rc = nook_sleep(nap->ms * MS);
    atomic_fetch_add(&nap->ended, 1);
    return rc != 0 ? rc : nap->result;
}

/* The same, but lets no cancel end it. */
static inline int nap_on(void *arg)
{
    struct nap *nap = arg;
    uint64_t until = nook_now() + nap->ms * MS;
    while (nook_now() < until)
        (void)nook_sleep(until - nook_now());
    atomic_fetch_add(&nap->ended, 1);
    return nap->result;
}

/* What a task that has ended returned. */
static inline int result_of(const nook_task *task)
{
    int result, rc = nook_task_result(task, &result);
    return rc != 0 ? rc : result;
}

/* Waits for the end, gives the reference back; the result. */
static inline int finish(nook_task *task)
{
    int result = 0, rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

#endif
