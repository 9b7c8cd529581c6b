/* SPDX-License-Identifier: MIT */
/*
 * A task is spawned, gets a copy of the spawner's context, runs, and is joined: one at a
 * time, or 10,000 before the first of them runs. For spawn-inherit n variables are bound.
 */
#include "own.h"

#include <stdio.h>

#define BATCH 10000
#define MOST 100

static nook_task *batch[BATCH];
static nook_var *vars[MOST];
static long bound;
static long ran;

static int child(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static void one_by_one(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        nook_task *task = NULL;
        MUST_BE_0(nook_task_spawn(&task, child, NULL, NULL));
        MUST_BE_0(nook_task_join(task, NULL));
        nook_task_unref(task);
    }
}

static void in_batches(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            MUST_BE_0(nook_task_spawn(&batch[j], child, NULL, NULL));
        }
        MUST_BE_0(nook_gather(batch, (size_t)n, NULL));
        for (long j = 0; j < n; j++) {
            nook_task_unref(batch[j]);
        }
    }
}

static int main_task(void *arg)
{
    (void)arg;
    for (long i = 0; i < bound; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "v%ld", i);
        BENCH_MUST(nook_var_new(&vars[i], name, NULL) == 0);
        BENCH_MUST(nook_var_set(vars[i], &vars[i], NULL) == 0);
    }
    bench_measure();
    BENCH_MUST(ran > 0);
    for (long i = 0; i < bound; i++) {
        nook_var_unref(vars[i]);
    }
    return 0;
}

static void in_run(long n)
{
    (void)n;
    bound = 1;
    BENCH_MUST(nook_run(main_task, NULL, NULL, NULL) == 0);
}

static void with_variables(long n)
{
    bound = n;
    BENCH_MUST(nook_run(main_task, NULL, NULL, NULL) == 0);
}

static const struct bench benches[] = {
    {.metric = "spawn-join", .n = 1, .loop = one_by_one, .around = in_run},
    {.metric = "spawn-join",
     .n = BATCH,
     .loop = in_batches,
     .operations = BATCH,
     .around = in_run},
    {.metric = "spawn-inherit", .n = 0, .loop = one_by_one, .around = with_variables},
    {.metric = "spawn-inherit", .n = 8, .loop = one_by_one, .around = with_variables},
    {.metric = "spawn-inherit", .n = 100, .loop = one_by_one, .around = with_variables},
};

OWN_MAIN(benches)
