/* SPDX-License-Identifier: MIT */
/*
 * Two tasks that play ping-pong: the main task, and one beside it on the same worker or on
 * another. Whoever includes this says what a turn is.
 */
#ifndef NOOK_BENCH_PAIR_H
#define NOOK_BENCH_PAIR_H

#include "own.h"

/* The other task: answers until the game is over. */
static int pong(void *arg);
/* Before and after the game. */
static void pair_begin(void);
static void pair_end(void);

static nook_task *pair_spawn(nook_task_fn fn, unsigned worker)
{
    nook_task *task = NULL;
    nook_task_options options = {.worker = worker};
    BENCH_MUST(nook_task_spawn(&task, fn, NULL, &options) == 0);
    return task;
}

static void pair_join(nook_task *task)
{
    BENCH_MUST(nook_task_join(task, NULL) == 0);
    nook_task_unref(task);
}

/* Each worker keeps to a processor of its own. */
static int pinned_pong(void *arg)
{
    BENCH_MUST(bench_pin(nook_worker_index() - 1) == 0);
    return pong(arg);
}

static int pair_main(void *arg)
{
    unsigned workers = *(unsigned *)arg, here = nook_worker_index();
    if (workers == 2) {
        BENCH_MUST(bench_pin(here - 1) == 0);
    }
    pair_begin();
    nook_task *other =
        pair_spawn(workers == 2 ? pinned_pong : pong, workers == 2 ? 3 - here : here);
    BENCH_MUST(nook_yield() == 0);
    bench_measure();
    pair_end();
    pair_join(other);
    return 0;
}

static void pair_run(unsigned workers)
{
    nook_run_options options = {.workers = workers};
    if (workers > bench_processors()) {
        bench_cannot("needs %u processors, and has %u", workers, bench_processors());
    }
    BENCH_MUST(nook_run(pair_main, &workers, &options, NULL) == 0);
}

#endif
