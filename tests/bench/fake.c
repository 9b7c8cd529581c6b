/* SPDX-License-Identifier: MIT */
/* A measuring program whose figures are known: what it measures are sleeps and constants. */
#include "harness.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int around_ran;

/* A turn takes no less than a tenth of a millisecond. */
static void doze(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t end = bench_now() + 100000;
        while (bench_now() < end) {
            bench_keep(&n);
        }
    }
}

static void count_turns(long n, size_t count)
{
    (void)fprintf(stderr, "turns %zu of %ld\n", count, n);
}

static void around(long n)
{
    around_ran++;
    bench_measure();
    (void)fprintf(stderr, "around ran %d times, for %ld\n", around_ran, n);
}

/* The first half of a pair says so, each time; the other half takes twice as long. */
static void once(long n, size_t count)
{
    (void)fputc('1', stderr);
    doze(n, count);
}

static void twice(long n, size_t count)
{
    (void)fputc('2', stderr);
    doze(n, 2 * count);
}

/* A thread that dozes for each post, and then sleeps; on another processor, so that it does
 * not take the time of who posts. */
static int dozer;
static atomic_size_t dozed;
static sem_t ready;
static sem_t posted;

static void *doze_often(void *arg)
{
    (void)bench_pin(1);
    dozer = bench_thread();
    BENCH_MUST(sem_post(&ready) == 0);
    for (;; dozed++) {
        BENCH_MUST(sem_wait(&posted) == 0);
        doze(0, 1);
    }
    return arg;
}

static void await_dozer(long n, size_t count)
{
    (void)n;
    for (size_t i = 0; i < count; i++) {
        size_t before = dozed;
        BENCH_MUST(sem_post(&posted) == 0);
        bench_await_sleep(dozer);
        BENCH_MUST(dozed == before + 1);
    }
}

static void with_dozer(long n)
{
    pthread_t thread;
    (void)n;
    BENCH_MUST(sem_init(&ready, 0, 0) == 0 && sem_init(&posted, 0, 0) == 0);
    BENCH_MUST(pthread_create(&thread, NULL, doze_often, NULL) == 0);
    BENCH_MUST(sem_wait(&ready) == 0);
    if (bench_pin(1) != 0) {
        bench_cannot("needs 2 processors");
    }
    BENCH_MUST(bench_pin(0) == 0);
    bench_measure();
}

static void forgetful(long n)
{
    (void)n;
}

static void cannot(long n)
{
    bench_cannot("not with %ld of them", n);
}

/* A fresh process each time: or else it would be 1, 2, 3. */
static double fresh(long n)
{
    static double times = 0;
    times = times + 1;
    return times * (double)n;
}

static double child_cannot(long n)
{
    bench_cannot("not in a child of %ld", n);
}

static double child_fails(long n)
{
    BENCH_MUST(n == 0);
    return 0;
}

static const struct bench benches[] = {
    {.metric = "doze", .n = 1, .loop = doze},
    {.metric = "doze-half", .n = 1, .loop = doze, .operations = 2, .around = around},
    {.metric = "doze-nothing", .n = 1, .loop = doze, .base = doze},
    {.metric = "pair", .n = 1, .loop = once, .operations = 2, .beside = twice},
    {.metric = "await", .n = 1, .loop = await_dozer, .around = with_dozer},
    {.metric = "turns", .n = 7, .loop = count_turns, .operations = 3, .around = around},
    {.metric = "forgetful", .n = 1, .loop = doze, .around = forgetful},
    {.metric = "cannot", .n = 3, .loop = doze, .around = cannot},
    {.metric = "fresh", .n = 0, .figure = fresh},
    {.metric = "fresh", .n = 5, .figure = fresh},
    {.metric = "child-cannot", .n = 1, .figure = child_cannot},
    {.metric = "child-fails", .n = 1, .figure = child_fails},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "a fake 1.0, " BENCH_COMPILER, benches, BENCH_LEN(benches));
}
