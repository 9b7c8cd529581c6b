/* SPDX-License-Identifier: MIT */
/*
 * Argobots: green threads (ULTs) on execution streams, each an OS thread that polls its
 * pool and never sleeps: `wake-spinning` is a wake of a thread of the other stream. Keys are
 * kept in a small table that chains.
 */
#include "peers.h"

#include <abt.h>
#include <stdlib.h>

#define MOST 1000

static ABT_pool pool;
static ABT_key keys[MOST];
static int value;
static volatile int stop;

static void start(void)
{
    BENCH_MUST(ABT_init(0, NULL) == ABT_SUCCESS);
    ABT_xstream self;
    BENCH_MUST(ABT_xstream_self(&self) == ABT_SUCCESS);
    BENCH_MUST(ABT_xstream_get_main_pools(self, 1, &pool) == ABT_SUCCESS);
}

static ABT_thread spawn(ABT_pool where, void (*run)(void *), void *arg)
{
    ABT_thread made;
    BENCH_MUST(ABT_thread_create(where, run, arg, ABT_THREAD_ATTR_NULL, &made) == ABT_SUCCESS);
    return made;
}

static void with_keys(long n)
{
    start();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(ABT_key_create(NULL, &keys[i]) == ABT_SUCCESS);
        BENCH_MUST(ABT_key_set(keys[i], &value) == ABT_SUCCESS);
    }
    bench_measure();
}

static void get(long n, size_t count)
{
    void *got = NULL;
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(ABT_key_get(keys[n - 1], &got) == ABT_SUCCESS);
        bench_keep(got);
    }
}

static void get_each(long n, size_t count)
{
    void *got = NULL;
    for (size_t i = 0, at = 0; i < count; i++) {
        BENCH_MUST(ABT_key_get(keys[at], &got) == ABT_SUCCESS);
        bench_keep(got);
        at = at + 1 == (size_t)n ? 0 : at + 1;
    }
}

static void set(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(ABT_key_set(keys[n - 1], &value) == ABT_SUCCESS);
    }
}

static void yields(void *arg)
{
    (void)arg;
    while (!stop) {
        (void)ABT_thread_yield();
    }
}

static void tasks(long n)
{
    start();
    for (long i = 1; i < n; i++) {
        (void)spawn(pool, yields, NULL);
    }
    bench_measure();
}

static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        (void)ABT_thread_yield();
    }
}

static void nothing(void *arg)
{
    (void)arg;
}

static void spawning(long n)
{
    (void)n;
    tasks(1);
}

static void spawn_join(long n, size_t count)
{
    static ABT_thread made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = spawn(pool, nothing, NULL);
        }
        for (long j = 0; j < n; j++) {
            BENCH_MUST(ABT_thread_free(&made[j]) == ABT_SUCCESS);
        }
    }
}

/* Argobots has no channels: a mutex, a condition variable and whose turn it is. */
static ABT_mutex mutex;
static ABT_cond changed;
static int turn;

static void pass_and_wait(int mine)
{
    (void)ABT_mutex_lock(mutex);
    turn = !mine;
    (void)ABT_cond_signal(changed);
    while (turn != mine) {
        (void)ABT_cond_wait(changed, mutex);
    }
    (void)ABT_mutex_unlock(mutex);
}

static void answers(void *apart)
{
    if (apart != NULL) {
        BENCH_MUST(bench_pin(1) == 0);
    }
    for (;;) {
        pass_and_wait(1);
    }
}

static void ping_pong(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        pass_and_wait(0);
    }
}

static void meet(ABT_pool where, void *apart)
{
    BENCH_MUST(ABT_mutex_create(&mutex) == ABT_SUCCESS);
    BENCH_MUST(ABT_cond_create(&changed) == ABT_SUCCESS);
    (void)spawn(where, answers, apart);
    bench_measure();
}

static void one_stream(long n)
{
    (void)n;
    start();
    meet(pool, NULL);
}

static void two_streams(long n)
{
    (void)n;
    ABT_xstream second;
    ABT_pool its;
    if (bench_processors() < 2) {
        bench_cannot("two streams poll: they need two processors");
    }
    start();
    BENCH_MUST(ABT_xstream_create(ABT_SCHED_NULL, &second) == ABT_SUCCESS);
    BENCH_MUST(ABT_xstream_get_main_pools(second, 1, &its) == ABT_SUCCESS);
    BENCH_MUST(bench_pin(0) == 0);
    meet(its, its);
}

static void waits(void *arg)
{
    (void)arg;
    (void)ABT_self_suspend();
}

static void park(long n)
{
    start();
    peer_creating();
    for (long i = 0; i < n; i++) {
        (void)spawn(pool, waits, NULL);
    }
    (void)ABT_thread_yield();
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER_GET_AND_SET(with_keys),
    PEER_YIELDS(yield, tasks),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PING_PONG("channel", 1, ping_pong, one_stream),
    PEER_PING_PONG("wake-spinning", 2, ping_pong, two_streams),
    PEER_PARKED_AT_EACH,
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "Argobots " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
