/* SPDX-License-Identifier: MIT */
/*
 * Threads of the kernel. A message is a mutex and a condition variable, as programs have
 * them; with PEER_FUTEX it is a word and a futex, the least that wakes a thread.
 */
#include "peers.h"

#include <gnu/libc-version.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static void spawn(pthread_t *made, void *(*run)(void *))
{
    pthread_attr_t attr;
    BENCH_MUST(pthread_attr_init(&attr) == 0);
    BENCH_MUST(pthread_attr_setstacksize(&attr, 4 * (size_t)PEER_STACK) == 0);
    if (pthread_create(made, &attr, run, NULL) != 0) {
        bench_cannot("the system gives no more threads");
    }
    (void)pthread_attr_destroy(&attr);
}

#ifdef PEER_FUTEX
#define PEER_WAIT "futex"
static atomic_int turn;

static void pass_and_wait(int mine)
{
    atomic_store(&turn, !mine);
    (void)syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    while (atomic_load(&turn) != mine) {
        (void)syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
    }
}
#else
#define PEER_WAIT "pthreads"
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void pass_and_wait(int mine)
{
    (void)pthread_mutex_lock(&mutex);
    turn = !mine;
    (void)pthread_cond_signal(&changed);
    while (turn != mine) {
        (void)pthread_cond_wait(&changed, &mutex);
    }
    (void)pthread_mutex_unlock(&mutex);
}
#endif

static void *answers(void *pinned)
{
    if (pinned != NULL) {
        BENCH_MUST(bench_pin(1) == 0);
    }
    for (;;) {
        pass_and_wait(1);
    }
    return NULL;
}

static void *answers_elsewhere(void *arg)
{
    (void)arg;
    return answers(&turn);
}

static void ping_pong(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        pass_and_wait(0);
    }
}

/* Two threads that share a processor. */
static void together(long n)
{
    (void)n;
    pthread_t other;
    BENCH_MUST(bench_pin(0) == 0);
    spawn(&other, answers);
    bench_measure();
}

static void apart(long n)
{
    (void)n;
    pthread_t other;
    if (bench_processors() < 2) {
        bench_cannot("needs two processors");
    }
    spawn(&other, answers_elsewhere);
    BENCH_MUST(bench_pin(0) == 0);
    bench_measure();
}

#ifndef PEER_FUTEX
static void *yields(void *arg)
{
    for (;;) {
        (void)sched_yield();
    }
    return arg;
}

static void yielding(long n)
{
    (void)n;
    pthread_t other;
    BENCH_MUST(bench_pin(0) == 0);
    spawn(&other, yields);
    bench_measure();
}

static void yield(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        (void)sched_yield();
    }
}

static void *nothing(void *arg)
{
    return arg;
}

static void spawn_join(long n, size_t count)
{
    static pthread_t made[10000];
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            spawn(&made[j], nothing);
        }
        for (long j = 0; j < n; j++) {
            BENCH_MUST(pthread_join(made[j], NULL) == 0);
        }
    }
}

static atomic_long waiting;

static void *waits(void *arg)
{
    atomic_fetch_add(&waiting, 1);
    for (;;) {
        (void)pause();
    }
    return arg;
}

static void park(long n)
{
    pthread_t other;
    peer_creating();
    for (long i = 0; i < n; i++) {
        spawn(&other, waits);
    }
    while (atomic_load(&waiting) < n) {
        (void)sched_yield();
    }
    peer_all_parked(n);
}
PEER_PARKED(park)
#endif

static const struct bench benches[] = {
    PEER_PING_PONG("channel", 1, ping_pong, together),
    PEER_PING_PONG("wake-idle", 2, ping_pong, apart),
#ifndef PEER_FUTEX
    PEER_YIELD(2, yield, yielding),
    PEER_SPAWN(spawn_join, NULL),
    PEER_PARKED_AT(10000),
#endif
};

int main(int argc, char **argv)
{
    char what[64];
    (void)snprintf(what, sizeof what, PEER_WAIT ", glibc %s, " BENCH_COMPILER,
                   gnu_get_libc_version());
    return bench_main(argc, argv, what, benches, BENCH_LEN(benches));
}
