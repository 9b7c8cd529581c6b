/* SPDX-License-Identifier: MIT */
/*
 * Fixture of the suites over the runtime: each test starts and ends with nothing
 * alive and the same descriptors. Tasks, callbacks and jobs record; the main
 * thread asserts when the run is over.
 */
#ifndef TESTS_TASK_SUPPORT_H
#define TESTS_TASK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <nook/nook.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

/* --- the fixture ---------------------------------------------------------- */

static inline int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    if (dir == NULL)
        return -1;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static inline int nothing_alive(void **state)
{
    static int descriptors;
    nook_task_counts tasks = {0};
    nook_context_counts contexts = {0};
    (void)state;
    nook_thread_detach();
    if (descriptors == 0)
        descriptors = open_descriptors();
    int now = open_descriptors();
    (void)nook_task_count(&tasks);
    (void)nook_context_count(&contexts);
    if (tasks.tasks == 0 && tasks.handles == 0 && tasks.stacks == 0 && tasks.timers == 0 &&
        tasks.waits == 0 && contexts.contexts == 0 && contexts.nodes == 0 &&
        contexts.vars == 0 && contexts.tokens == 0 && now == descriptors)
        return 0;
    print_error("alive: %ld tasks, %ld handles, %ld stacks, %ld timers, %ld waits, "
                "%ld contexts, %ld nodes, %ld variables, %ld tokens; %d descriptors, were %d\n",
                tasks.tasks, tasks.handles, tasks.stacks, tasks.timers, tasks.waits,
                contexts.contexts, contexts.nodes, contexts.vars, contexts.tokens, now,
                descriptors);
    return -1;
}

#define task_test(fn) cmocka_unit_test_setup_teardown(fn, nothing_alive, nothing_alive)

/* --- ways to run ---------------------------------------------------------- */

enum way { VIRTUAL, VIRTUAL_3, REAL, REAL_3, WAYS };

/* main(arg) first-in first-out on the virtual clock, or for real, with 1 worker or 3. */
static inline int run_by(enum way way, nook_task_fn main, void *arg,
                         const nook_run_options *options, int *result)
{
    nook_run_options mine = {0};
    nook_schedule *schedule;
    if (options != NULL)
        mine = *options;
    if (way == VIRTUAL_3 || way == REAL_3)
        mine.workers = 3;
    if (way >= REAL)
        return nook_run(main, arg, &mine, result);
    int rc = nook_schedule_new(&schedule, NULL);
    if (rc != 0)
        return rc;
    rc = nook_schedule_run(schedule, main, arg, &mine, result);
    nook_schedule_free(schedule);
    return rc;
}

/* Runs it and asserts that the run went well; what main returned. */
static inline int run(enum way way, nook_task_fn main, void *arg)
{
    int result = -1;
    assert_int_equal(run_by(way, main, arg, NULL, &result), 0);
    return result;
}

/* --- records -------------------------------------------------------------- */

/* What happened in which order, as words. For runs on one thread. */
static char trace[1024];

static inline void trace_clear(void)
{
    trace[0] = '\0';
}

static inline void note(const char *word)
{
    size_t used = strlen(trace);
    snprintf(trace + used, sizeof trace - used, used == 0 ? "%s" : " %s", word);
}

/* --- values --------------------------------------------------------------- */

static inline void *value_of(int number)
{
    return (void *)(intptr_t)number;
}

/* The variable's number here; -1: unset. */
static inline int number_in(const nook_var *var)
{
    void *value;
    return nook_var_get(var, &value) == 0 ? (int)(intptr_t)value : -1;
}

#endif
