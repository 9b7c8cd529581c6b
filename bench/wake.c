/* SPDX-License-Identifier: MIT */
/*
 * Two tasks on two workers wake each other in turn.
 *
 *   spinning   a task that yields all the time keeps each worker awake
 *   idle       a worker has nothing else to do, and has just found that out
 *   asleep     who wakes waits first, which is not counted, until the other's worker sleeps
 *              in the kernel; beside it two bare threads do the same with a futex
 */
#include "floor_wake.h"
#include "pair.h"

static nook_semaphore there;
static nook_semaphore back;
static atomic_int stop;
static nook_task *spinner[2];
static int spinning, sleeping;
/* The workers' threads, where they are to sleep. */
static int first;
static atomic_int second = -1;

static int spin(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        MUST_BE_0(nook_yield());
    }
    return 0;
}

static void pair_begin(void)
{
    for (unsigned i = 0; spinning && i < 2; i++) {
        spinner[i] = pair_spawn(spin, i + 1);
    }
    if (sleeping) {
        first = bench_thread();
    }
}

static int pong(void *arg)
{
    (void)arg;
    if (sleeping) {
        atomic_store(&second, bench_thread());
    }
    while (nook_semaphore_acquire(&there) == 0 && !atomic_load(&stop)) {
        if (sleeping) {
            bench_await_sleep(first);
        }
        MUST_BE_0(nook_semaphore_release(&back));
    }
    return 0;
}

static void ping(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        MUST_BE_0(nook_semaphore_release(&there));
        MUST_BE_0(nook_semaphore_acquire(&back));
    }
}

static void ping_asleep(long n, size_t count)
{
    while (atomic_load(&second) < 0) {
        MUST_BE_0(nook_yield());
    }
    for (size_t i = 0; i < count; i++) {
        bench_await_sleep(second);
        ping(n, 1);
    }
}

static void pair_end(void)
{
    atomic_store(&stop, 1);
    BENCH_MUST(nook_semaphore_release(&there) == 0);
    for (unsigned i = 0; spinning && i < 2; i++) {
        pair_join(spinner[i]);
    }
}

static void awake(long n)
{
    spinning = 1;
    pair_run((unsigned)n);
}

static void idle(long n)
{
    pair_run((unsigned)n);
}

/* The first worker's thread, which is this one, is the first of the bare threads as well. */
static void asleep(long n)
{
    sleeping = 1;
    floor_turns_begin(&floor_futex);
    pair_run((unsigned)n);
    floor_turns_end();
    (void)close(first);
    (void)close(second);
}

static const struct bench benches[] = {
    {.metric = "wake-spinning", .n = 2, .loop = ping, .operations = 2, .around = awake},
    {.metric = "wake-idle", .n = 2, .loop = ping, .operations = 2, .around = idle},
    {.metric = "wake-asleep",
     .n = 2,
     .loop = ping_asleep,
     .operations = 2,
     .around = asleep,
     .beside = floor_turns},
};

OWN_MAIN(benches)
