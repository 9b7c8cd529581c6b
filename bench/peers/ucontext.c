/* SPDX-License-Identifier: MIT */
/*
 * ucontext of the C library: swapcontext to the next stack of a ring of n. Each swap saves
 * and sets the signal mask, which is a system call.
 */
#include "peers.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static ucontext_t *ring;
static long members;

static void pass_on(long me)
{
    (void)swapcontext(&ring[me], &ring[me + 1 < members ? me + 1 : 0]);
}

static void member(int me)
{
    for (;;) {
        pass_on(me);
    }
}

/* The measured program is the first of the ring. */
static void make_ring(long n)
{
    members = n;
    ring = calloc((size_t)n, sizeof *ring);
    BENCH_MUST(ring != NULL);
    for (int i = 1; i < n; i++) {
        BENCH_MUST(getcontext(&ring[i]) == 0);
        ring[i].uc_stack.ss_size = PEER_STACK;
        ring[i].uc_stack.ss_sp = malloc(PEER_STACK);
        BENCH_MUST(ring[i].uc_stack.ss_sp != NULL);
        makecontext(&ring[i], (void (*)(void))member, 1, i);
    }
    bench_measure();
}

static void round_trip(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        pass_on(0);
    }
}

static const struct bench benches[] = {
    PEER("switch", 2, round_trip, 2, make_ring),
    PEER("switch", 1000, round_trip, 1000, make_ring),
};

int main(int argc, char **argv)
{
    char what[64];
    (void)snprintf(what, sizeof what, "ucontext, glibc %s, " BENCH_COMPILER,
                   gnu_get_libc_version());
    return bench_main(argc, argv, what, benches, BENCH_LEN(benches));
}
