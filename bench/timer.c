/* SPDX-License-Identifier: MIT */
/*
 * A million timers armed at once, due in an order that looks random, each with a captured
 * context. Either they come due while they are being armed, and fire as soon as the main
 * task parks; or they are due in an hour, and are cancelled in the order of their arming.
 */
#include "own.h"

#include <stdlib.h>

#define TIMERS 1000000

static NOOK_VAR_DEFINE(self);
static nook_handle **handles;
static long fired;
static uint32_t random_state = 1;

/* Numerical Recipes' generator: enough to have no order. */
static uint32_t some_number(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state;
}

static void fire(void *arg)
{
    (void)arg;
    fired++;
}

/* Within a millisecond, which passes before all are armed. */
static void arm_and_fire(long n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t now = nook_now();
        fired = 0;
        for (long j = 0; j < n; j++) {
            MUST_BE_0(nook_call_at(NULL, now + some_number() % 1000000, fire, NULL, NULL));
        }
        while (fired < n) {
            MUST_BE_0(nook_sleep(1000));
        }
    }
}

static void arm_and_cancel(long n, size_t count)
{
    const uint64_t hour = 3600u * 1000000000ull;
    for (size_t i = 0; i < count; i++) {
        for (long j = 0; j < n; j++) {
            MUST_BE_0(nook_call_later(&handles[j], hour + some_number(), fire, NULL, NULL));
        }
        for (long j = 0; j < n; j++) {
            MUST_BE_0(nook_handle_cancel(handles[j]));
            nook_handle_unref(handles[j]);
        }
    }
}

static int main_task(void *arg)
{
    BENCH_MUST(nook_var_set(&self, arg, NULL) == 0);
    bench_measure();
    return 0;
}

static void in_run(long n)
{
    handles = calloc((size_t)n, sizeof(nook_handle *));
    BENCH_MUST(handles != NULL);
    BENCH_MUST(nook_run(main_task, &n, NULL, NULL) == 0);
    free(handles);
}

static const struct bench benches[] = {
    {.metric = "timer",
     .n = TIMERS,
     .loop = arm_and_fire,
     .operations = TIMERS,
     .around = in_run},
    {.metric = "timer-cancel",
     .n = TIMERS,
     .loop = arm_and_cancel,
     .operations = TIMERS,
     .around = in_run},
};

OWN_MAIN(benches)
