/* SPDX-License-Identifier: MIT */
/*
 * n tasks with stacks of 16 KiB, guarded, each in a context of its own, which start and
 * park: what they take of memory (resident pages, and the tables that map them), and how
 * long it takes until the last of them is parked.
 */
#include "own.h"

#define STACK (16u * 1024)

static NOOK_VAR_DEFINE(self);
static nook_event go;
static long wanted;
static long parked;
static long ended;
static double bytes;
static double nanoseconds;

static int parker(void *arg)
{
    BENCH_MUST(nook_var_set(&self, arg, NULL) == 0);
    parked++;
    MUST_BE_0(nook_event_wait(&go));
    ended++;
    return 0;
}

static void spawn_all(void)
{
    for (long i = 0; i < wanted; i++) {
        BENCH_MUST(nook_task_spawn(NULL, parker, &self, NULL) == 0);
    }
    while (parked < wanted) {
        BENCH_MUST(nook_yield() == 0);
    }
}

static int main_task(void *arg)
{
    (void)arg;
    struct bench_memory before = bench_memory();
    uint64_t start = bench_now();
    spawn_all();
    nanoseconds = (double)(bench_now() - start) / (double)wanted;
    struct bench_memory after = bench_memory();
    bytes = ((double)after.resident - (double)before.resident + (double)after.tables -
             (double)before.tables) /
            (double)wanted;
    BENCH_MUST(nook_event_set(&go) == 0);
    while (ended < wanted) {
        BENCH_MUST(nook_yield() == 0);
    }
    return 0;
}

static void measured_run(long n)
{
    nook_run_options options = {.stack_size = STACK};
    wanted = n;
    BENCH_MUST(nook_run(main_task, NULL, &options, NULL) == 0);
}

static double parked_bytes(long n)
{
    measured_run(n);
    return bytes;
}

static double create(long n)
{
    measured_run(n);
    return nanoseconds;
}

static const struct bench benches[] = {
    {.metric = "parked-bytes", .n = 10000, .figure = parked_bytes},
    {.metric = "parked-bytes", .n = 100000, .figure = parked_bytes},
    {.metric = "parked-bytes", .n = 1000000, .figure = parked_bytes},
    {.metric = "create", .n = 10000, .figure = create},
    {.metric = "create", .n = 100000, .figure = create},
    {.metric = "create", .n = 1000000, .figure = create},
};

OWN_MAIN(benches)
