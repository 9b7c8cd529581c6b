/* SPDX-License-Identifier: MIT */
/*
 * GNU Pth: green threads of one process with a scheduler of priorities and events. A yield
 * runs that scheduler, which saves the signal mask and reads the clock. Its 256 keys are an
 * array in the thread's record.
 */
#include "peers.h"

#include <pth.h>

static pth_attr_t small;
static pth_key_t keys[100];
static int value;

static void start(void)
{
    BENCH_MUST(pth_init());
    small = pth_attr_new();
    BENCH_MUST(pth_attr_set(small, PTH_ATTR_STACK_SIZE, PEER_STACK));
}

static pth_t spawn(void *(*run)(void *))
{
    pth_t made = pth_spawn(small, run, NULL);
    BENCH_MUST(made != NULL);
    return made;
}

static void with_keys(long n)
{
    start();
    for (long i = 0; i < n; i++) {
        BENCH_MUST(pth_key_create(&keys[i], NULL));
        BENCH_MUST(pth_key_setdata(keys[i], &value));
    }
    bench_measure();
}

static void get(long n, size_t count)
{
    pth_key_t key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        bench_keep(pth_key_getdata(key));
    }
}

static void set(long n, size_t count)
{
    pth_key_t key = keys[n - 1];
    for (size_t i = 0; i < count; i++) {
        BENCH_MUST(pth_key_setdata(key, &value));
    }
}

static void *yields(void *arg)
{
    for (;;) {
        (void)pth_yield(NULL);
    }
    return arg;
}

static void tasks(long n)
{
    start();
    for (long i = 1; i < n; i++) {
        (void)spawn(yields);
    }
    bench_measure();
}

static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        (void)pth_yield(NULL);
    }
}

static void *nothing(void *arg)
{
    return arg;
}

static void spawning(long n)
{
    (void)n;
    tasks(1);
}

static void spawn_join(long n, size_t count)
{
    static pth_t made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            made[j] = spawn(nothing);
        }
        for (long j = 0; j < n; j++) {
            BENCH_MUST(pth_join(made[j], NULL));
        }
    }
}

/* A mutex, a condition variable and whose turn it is: its ports for messages need events. */
static pth_mutex_t mutex = PTH_MUTEX_INIT;
static pth_cond_t changed = PTH_COND_INIT;
static int turn;

static void pass_and_wait(int mine)
{
    (void)pth_mutex_acquire(&mutex, 0, NULL);
    turn = !mine;
    (void)pth_cond_notify(&changed, 0);
    while (turn != mine) {
        (void)pth_cond_await(&changed, &mutex, NULL);
    }
    (void)pth_mutex_release(&mutex);
}

static void *answers(void *arg)
{
    for (;;) {
        pass_and_wait(1);
    }
    return arg;
}

static void ping_pong(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        pass_and_wait(0);
    }
}

static void pair(long n)
{
    (void)n;
    start();
    (void)spawn(answers);
    bench_measure();
}

static const struct bench benches[] = {
    PEER_VARIABLES_100("get", get, with_keys),
    PEER_VARIABLES_100("set", set, with_keys),
    PEER_YIELD(2, yield, tasks),
    PEER_YIELD(1000, yield, tasks),
    PEER_SPAWN(spawn_join, spawning),
    PEER_PING_PONG("channel", 1, ping_pong, pair),
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "GNU Pth " PEER_VERSION ", " BENCH_COMPILER, benches,
                      BENCH_LEN(benches));
}
