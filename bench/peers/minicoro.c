/* SPDX-License-Identifier: MIT */
/*
 * minicoro: asymmetric coroutines, no scheduler. From task to task goes through the main
 * program, so a `yield` is a resume and a yield in a ring of n; `switch` is half of it.
 * Stacks are of the size and the kind that the library was built with.
 */
#include "peers.h"

#include <minicoro.h>
#include <stdlib.h>

static mco_coro **ring;
static mco_desc desc;

static mco_coro *make(void (*run)(mco_coro *))
{
    mco_coro *made = NULL;
    desc = mco_desc_init(run, 0);
    BENCH_MUST(mco_create(&made, &desc) == MCO_SUCCESS);
    return made;
}

static void yields(mco_coro *me)
{
    for (;;) {
        (void)mco_yield(me);
    }
}

static void nothing(mco_coro *me)
{
    (void)me;
}

static void make_ring(long n)
{
    ring = calloc((size_t)n, sizeof *ring);
    BENCH_MUST(ring != NULL);
    for (long i = 0; i < n; i++) {
        ring[i] = make(yields);
    }
    bench_measure();
}

static void yield(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            (void)mco_resume(ring[j]);
        }
    }
}

static void spawn_join(long n, size_t count)
{
    static mco_coro *made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = make(nothing);
        }
        for (long j = 0; j < n; j++) {
            (void)mco_resume(made[j]);
            BENCH_MUST(mco_destroy(made[j]) == MCO_SUCCESS);
        }
    }
}

static void park(long n)
{
    peer_creating();
    for (long i = 0; i < n; i++) {
        (void)mco_resume(make(yields));
    }
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_YIELD(2, yield, make_ring),        PEER_YIELD(1000, yield, make_ring),
    PEER_SPAWN(spawn_join, NULL),           PEER_PARKED_AT(10000),
    PEER("switch", 2, yield, 4, make_ring), PEER("switch", 1000, yield, 2000, make_ring),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "minicoro " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
