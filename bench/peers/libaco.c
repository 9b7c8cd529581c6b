/* SPDX-License-Identifier: MIT */
/*
 * libaco: asymmetric coroutines, no scheduler. From task to task goes through the main
 * coroutine, so a `yield` is a resume and a yield in a ring of n; `switch` is half of it.
 * `yield` and `switch` run on stacks of their own. `spawn-join` and the parked tasks share
 * one stack, which is copied out: libaco's cheapest way, in which no pointer to a task's
 * stack may be kept. It is fastest in a build that shares the floating-point settings
 * (ACO_CONFIG_SHARE_FPU_MXCSR_ENV).
 */
#include "peers.h"

#include <aco.h>
#include <stdlib.h>

static aco_t *mainly;
static aco_t **ring;
static aco_share_stack_t *shared;

static void start(void)
{
    aco_thread_init(NULL);
    mainly = aco_create(NULL, NULL, 0, NULL, NULL);
    shared = aco_share_stack_new(0);
}

static void yields(void)
{
    for (;;) {
        aco_yield();
    }
}

static void nothing(void)
{
    aco_exit();
}

static void make_ring(long n)
{
    start();
    ring = calloc((size_t)n, sizeof *ring);
    BENCH_MUST(ring != NULL);
    for (long i = 0; i < n; i++) {
        aco_share_stack_t *own = aco_share_stack_new2(PEER_STACK, 0);
        ring[i] = aco_create(mainly, own, 0, yields, NULL);
    }
    bench_measure();
}

static void yield(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            aco_resume(ring[j]);
        }
    }
}

static void spawning(long n)
{
    (void)n;
    start();
    bench_measure();
}

static void spawn_join(long n, size_t count)
{
    static aco_t *made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = aco_create(mainly, shared, 0, nothing, NULL);
        }
        for (long j = 0; j < n; j++) {
            aco_resume(made[j]);
            aco_destroy(made[j]);
        }
    }
}

static void park(long n)
{
    start();
    peer_creating();
    for (long i = 0; i < n; i++) {
        aco_resume(aco_create(mainly, shared, 0, yields, NULL));
    }
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_YIELDS(yield, make_ring),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PARKED_AT_EACH,
    PEER("switch", 2, yield, 4, make_ring),
    PEER("switch", 1000, yield, 2000, make_ring),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "libaco " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
