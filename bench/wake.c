/* SPDX-License-Identifier: MIT */
/*
 * Two tasks on two workers wake each other in turn. A worker that has nothing else to do
 * sleeps meanwhile; one that has (spinning: a task that yields all the time) does not.
 */
#include "pair.h"

#include <stdatomic.h>

static nook_semaphore there;
static nook_semaphore back;
static int spinning;
static atomic_int stop;
static nook_task *spinner[2];

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
}

static int pong(void *arg)
{
    (void)arg;
    while (nook_semaphore_acquire(&there) == 0 && !atomic_load(&stop)) {
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

static void pair_end(void)
{
    atomic_store(&stop, 1);
    BENCH_MUST(nook_semaphore_release(&there) == 0);
    for (unsigned i = 0; spinning && i < 2; i++) {
        pair_join(spinner[i]);
    }
}

static void asleep(long n)
{
    pair_run((unsigned)n);
}

static void awake(long n)
{
    spinning = 1;
    pair_run((unsigned)n);
}

static const struct bench benches[] = {
    {.metric = "wake-spinning", .n = 2, .loop = ping, .operations = 2, .around = awake},
    {.metric = "wake-asleep", .n = 2, .loop = ping, .operations = 2, .around = asleep},
};

OWN_MAIN(benches)
