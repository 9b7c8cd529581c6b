/* SPDX-License-Identifier: MIT */
/* A measuring program whose figures are known: what it measures are sleeps and constants. */
#include "harness.h"

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
