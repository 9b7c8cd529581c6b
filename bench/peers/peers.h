/* SPDX-License-Identifier: MIT */
/*
 * What the peers in C and C++ share: which numbers of variables and of tasks are measured,
 * and how memory and time of parked tasks are taken.
 */
#ifndef NOOK_BENCH_PEERS_H
#define NOOK_BENCH_PEERS_H

#include "harness.h"

/* The stack of a task, where a peer lets us choose: nook's stride between stacks. */
#define PEER_STACK 16384

/* An entry: a turn of `loop` makes `ops` operations; it runs within `make`, or NULL. */
#define PEER(name, size, turns, ops, make)                                          \
    {                                                                               \
        .metric = name, .n = size, .loop = turns, .operations = ops, .around = make \
    }

/* A metric for 1 to 100, and to 1000, variables. */
#define PEER_VARIABLES_100(name, turns, make)                     \
    PEER(name, 1, turns, 1, make), PEER(name, 8, turns, 1, make), \
        PEER(name, 32, turns, 1, make), PEER(name, 100, turns, 1, make)
#define PEER_VARIABLES(name, turns, make) \
    PEER_VARIABLES_100(name, turns, make), PEER(name, 1000, turns, 1, make)

/* Loops get, get_each and set, with up to 1000. */
#define PEER_GET_AND_SET(make)                                                    \
    PEER_VARIABLES("get", get, make), PEER_VARIABLES("get-each", get_each, make), \
        PEER_VARIABLES("set", set, make)

/* One turn of the loop is a yield of each of the n tasks. */
#define PEER_YIELD(size, turns, make) PEER("yield", size, turns, size, make)
#define PEER_YIELDS(turns, make) \
    PEER_YIELD(2, turns, make), PEER_YIELD(1000, turns, make), PEER_YIELD(100000, turns, make)

/* A turn spawns n tasks and joins them all. */
#define PEER_SPAWN(turns, make) \
    PEER("spawn-join", 1, turns, 1, make), PEER("spawn-join", 10000, turns, 10000, make)

/* A turn is a message and its answer. */
#define PEER_PING_PONG(name, size, turns, make) PEER(name, size, turns, 2, make)

/* Entries for what PEER_PARKED made. */
#define PEER_PARKED_AT(size)                                            \
    {.metric = "parked-bytes", .n = size, .figure = peer_parked_bytes}, \
    {                                                                   \
        .metric = "create", .n = size, .figure = peer_create            \
    }
#define PEER_PARKED_AT_EACH \
    PEER_PARKED_AT(10000), PEER_PARKED_AT(100000), PEER_PARKED_AT(1000000)

/*
 * `park(n)` calls peer_creating() with its runtime up, makes n tasks, lets each run until it
 * waits, and calls peer_all_parked(n). The process ends soon after: it clears up nothing.
 */
#define PEER_PARKED(park)                   \
    static double peer_parked_bytes(long n) \
    {                                       \
        park(n);                            \
        return peer_parked.bytes;           \
    }                                       \
    static double peer_create(long n)       \
    {                                       \
        park(n);                            \
        return peer_parked.ns;              \
    }

static struct {
    struct bench_memory before;
    uint64_t began;
    double bytes;
    double ns;
} peer_parked __attribute__((unused));

static inline void peer_creating(void)
{
    peer_parked.before = bench_memory();
    peer_parked.began = bench_now();
}

static inline void peer_all_parked(long n)
{
    double took = (double)(bench_now() - peer_parked.began);
    struct bench_memory after = bench_memory();
    uint64_t before = peer_parked.before.resident + peer_parked.before.tables;
    peer_parked.ns = took / (double)n;
    peer_parked.bytes = (double)(after.resident + after.tables - before) / (double)n;
}

#endif
