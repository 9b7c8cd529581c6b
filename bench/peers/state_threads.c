/* SPDX-License-Identifier: MIT */
/*
 * State Threads: green threads of one process, with a run queue and stacks without guards.
 * 1.9 has no yield, so a `yield` is a signal to the next thread of a ring and a wait: a pass
 * through the run queue, as nook's. Its 16 keys are an array in the thread's record.
 */
#include "peers.h"

#include <st.h>
#include <stdlib.h>

static st_cond_t *turns;
static long tasks;
static int keys[8];
static int value;

static void start(void)
{
    BENCH_MUST(st_init() == 0);
}

static st_thread_t spawn(void *(*run)(void *), void *arg)
{
    st_thread_t thread = st_thread_create(run, arg, 1, PEER_STACK);
    BENCH_MUST(thread != NULL);
    return thread;
}

/* The keys' values are set, so that what is read is found. */
static void with_keys(long n)
{
    start();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(st_key_create(&keys[i], NULL) == 0);
        BENCH_MUST(st_thread_setspecific(keys[i], &value) == 0);
    }
    bench_measure();
}

static void get(long n, size_t count)
{
    int key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        bench_keep(st_thread_getspecific(key));
    }
}

static void set(long n, size_t count)
{
    int key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(st_thread_setspecific(key, &value) == 0);
    }
}

static void pass_on(long me)
{
    st_cond_signal(turns[(me + 1) % tasks]);
    st_cond_wait(turns[me]);
}

static void *member(void *arg)
{
    long me = (long)(intptr_t)arg;
    st_cond_wait(turns[me]);
    for (;;) {
        pass_on(me);
    }
    return NULL;
}

static void ring(long n)
{
    start();
    tasks = n;
    turns = calloc((size_t)n, sizeof *turns);
    BENCH_MUST(turns != NULL);
    for (long i = 0; i < n; i++) {
        turns[i] = st_cond_new();
        if (i > 0) {
            (void)spawn(member, (void *)(intptr_t)i);
        }
    }
    st_usleep(0);
    bench_measure();
}

static void two(long n)
{
    (void)n;
    ring(2);
}

static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        pass_on(0);
    }
}

static void *nothing(void *arg)
{
    return arg;
}

static void spawning(long n)
{
    (void)n;
    start();
    bench_measure();
}

static void spawn_join(long n, size_t count)
{
    static st_thread_t made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = spawn(nothing, NULL);
        }
        for (long j = 0; j < n; j++) {
            BENCH_MUST(st_thread_join(made[j], NULL) == 0);
        }
    }
}

static void *waits(void *arg)
{
    st_cond_wait(arg);
    return NULL;
}

static void park(long n)
{
    start();
    st_cond_t never = st_cond_new();
    peer_creating();
    for (long i = 0; i < n; i++) {
        (void)spawn(waits, never);
    }
    st_usleep(0);
    peer_all_parked(n);
}
PEER_PARKED(park)

static const struct bench benches[] = {
    PEER("get", 1, get, 1, with_keys),
    PEER("get", 8, get, 1, with_keys),
    PEER("set", 1, set, 1, with_keys),
    PEER("set", 8, set, 1, with_keys),
    PEER_YIELDS(yield, ring),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PING_PONG("channel", 1, yield, two),
    PEER_PARKED_AT_EACH,
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "State Threads " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
