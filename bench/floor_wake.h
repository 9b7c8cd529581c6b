/* SPDX-License-Identifier: MIT */
/*
 * Two bare threads, each on a processor of its own, that take turns at a word. The first one
 * is whoever calls; the second is made here, and lasts from floor_turns_begin() to
 * floor_turns_end().
 */
#ifndef NOOK_BENCH_FLOOR_WAKE_H
#define NOOK_BENCH_FLOOR_WAKE_H

#include "harness.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How they wait until the word is no longer `now`, and say that it has changed. */
struct floor_way {
    void (*wait)(unsigned now);
    void (*tell)(void);
    int sleeps;
};

/* Even: the first thread's turn. On a line of its own. */
static _Alignas(128) atomic_uint floor_turn;
static struct floor_game {
    const struct floor_way *way;
    unsigned now; /* the turn, between the first thread's */
    int first;    /* the threads, where they sleep */
    atomic_int second;
    atomic_int over;
    pthread_t thread;
} floor_game = {.second = -1};

static void floor_sleep(unsigned now)
{
    while (atomic_load(&floor_turn) == now) {
        (void)syscall(SYS_futex, &floor_turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    }
}

static void floor_wake(void)
{
    (void)syscall(SYS_futex, &floor_turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Who wakes first waits until the other sleeps. */
static const struct floor_way floor_futex = {floor_sleep, floor_wake, 1};

static void floor_pass(unsigned turn, int to)
{
    if (floor_game.way->sleeps) {
        bench_await_sleep(to);
    }
    atomic_store(&floor_turn, turn);
    floor_game.way->tell();
}

static void *floor_second(void *arg)
{
    BENCH_MUST(bench_pin(1) == 0);
    atomic_store(&floor_game.second, bench_thread());
    for (unsigned now = 0;; now += 2) {
        floor_game.way->wait(now);
        if (atomic_load_explicit(&floor_game.over, memory_order_relaxed)) {
            return arg;
        }
        floor_pass(now + 2, floor_game.first);
    }
}

/* A loop. After it the second thread waits. */
static void floor_turns(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++, floor_game.now += 2) {
        floor_pass(floor_game.now + 1, floor_game.second);
        floor_game.way->wait(floor_game.now + 1);
    }
}

/* The calling thread pins itself afterwards. */
static void floor_turns_begin(const struct floor_way *way)
{
    floor_game.way = way;
    floor_game.first = bench_thread();
    if (bench_processors() < 2) {
        bench_cannot("needs 2 processors, and has %u", bench_processors());
    }
    BENCH_MUST(pthread_create(&floor_game.thread, NULL, floor_second, NULL) == 0);
    while (atomic_load(&floor_game.second) < 0) {
        (void)sched_yield();
    }
}

static void floor_turns_end(void)
{
    atomic_store(&floor_game.over, 1);
    floor_pass(floor_game.now + 1, floor_game.second);
    BENCH_MUST(pthread_join(floor_game.thread, NULL) == 0);
    (void)close(floor_game.first);
    (void)close(floor_game.second);
}

#endif
