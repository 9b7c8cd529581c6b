/* SPDX-License-Identifier: MIT */
/*
 * neco: green threads of one thread, with a run queue. A start runs the new task at once, so
 * the batch of `spawn-join` is a sequence of tasks that end before the next begins, unlike
 * nook's queued ones. The library decides the stacks when it is built: 8 MiB each unless
 * told otherwise, which fewer than 10,000 tasks exhaust.
 */
#include "peers.h"

#include <neco.h>

static volatile int stop;
static neco_chan *there;
static neco_chan *back;

static void spawn(void (*run)(int, void **))
{
    BENCH_MUST(neco_start(run, 0) == NECO_OK);
}

static void yields(int argc, void **argv)
{
    (void)argc;
    (void)argv;
    while (!stop) {
        (void)neco_yield();
    }
}

static void nothing(int argc, void **argv)
{
    (void)argc;
    (void)argv;
}

/* The measured task, first of n. */
static void first(int argc, void **argv)
{
    (void)argc;
    for (long i = *(long *)argv[0]; i > 1; i--) {
        spawn(yields);
    }
    bench_measure();
    stop = 1;
}

static void tasks(long n)
{
    BENCH_MUST(neco_start(first, 1, &n) == NECO_OK);
}

static void spawning(long n)
{
    (void)n;
    tasks(1);
}

static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        (void)neco_yield();
    }
}

static void spawn_join(long n, size_t count)
{
    static int64_t made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            spawn(nothing);
            made[j] = neco_lastid();
        }
        for (long j = 0; j < n; j++) {
            (void)neco_join(made[j]);
        }
    }
}

static void answers(int argc, void **argv)
{
    (void)argc;
    (void)argv;
    int message = 0;
    while (neco_chan_recv(there, &message) == NECO_OK && message >= 0) {
        (void)neco_chan_send(back, &message);
    }
}

static void asks(int argc, void **argv)
{
    (void)argc;
    (void)argv;
    int last = -1;
    BENCH_MUST(neco_chan_make(&there, sizeof(int), 0) == NECO_OK);
    BENCH_MUST(neco_chan_make(&back, sizeof(int), 0) == NECO_OK);
    spawn(answers);
    bench_measure();
    (void)neco_chan_send(there, &last);
}

static void pair(long n)
{
    (void)n;
    BENCH_MUST(neco_start(asks, 0) == NECO_OK);
}

static void ping_pong(long n, size_t count)
{
    (void)n;
    int message = 1;
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(neco_chan_send(there, &message) == NECO_OK);
        BENCH_MUST(neco_chan_recv(back, &message) == NECO_OK);
    }
}

static void waits(int argc, void **argv)
{
    (void)argc;
    (void)argv;
    int message = 0;
    (void)neco_chan_recv(there, &message);
}

static void parks(int argc, void **argv)
{
    (void)argc;
    long n = *(long *)argv[0];
    BENCH_MUST(neco_chan_make(&there, sizeof(int), 0) == NECO_OK);
    peer_creating();
    for (long i = 0; i < n; i++) {
        spawn(waits);
    }
    peer_all_parked(n);
    (void)neco_chan_close(there);
}

static void park(long n)
{
    BENCH_MUST(neco_start(parks, 1, &n) == NECO_OK);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_YIELDS(yield, tasks),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PING_PONG("channel", 1, ping_pong, pair),
    PEER_PARKED_AT_EACH,
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "neco " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
