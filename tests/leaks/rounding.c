/* SPDX-License-Identifier: MIT */
/*
 * rounding: a bank rounds interest down, a tax office rounds up. The rounding
 * mode is a control word of the processor: a switch that does not save it hands
 * one task's mode to the next.
 *
 * nook's switch saves it. What a switch that does not would do, `park` does by
 * hand: a task goes on with the mode that the last one left.
 */
#include "leaks.h"

#include <fenv.h>
#include <stdio.h>

struct hall {
    struct leak_run *run;
    int left_behind; /* the mode in the processor, were it not saved */
};

static int park(struct hall *hall)
{
    hall->left_behind = fegetround();
    int rc = nook_yield();
    if (hall->run->storage == LEAK_THREAD)
        fesetround(hall->left_behind);
    return rc;
}

struct office {
    struct hall *hall;
    int mode;
    const char *expects; /* what 1/3 is, to 20 digits, in this mode */
};

static void third(char *text, size_t size)
{
    volatile double one = 1, three = 3;
    snprintf(text, size, "%a", one / three);
}

static int calculate(void *arg)
{
    struct office *office = arg;
    char text[24];
    if (fesetround(office->mode) != 0)
        return NOOK_ENOTSUP;
    leak_does(office->hall->run, "fesetround(%s)",
              office->mode == FE_DOWNWARD ? "FE_DOWNWARD" : "FE_UPWARD");
    for (int i = 0; i < 2; i++) {
        int rc = park(office->hall);
        if (rc != 0)
            return rc;
        third(text, sizeof(text));
        leak_reads(office->hall->run, "1/3", text, office->expects);
    }
    fesetround(FE_TONEAREST);
    return 0;
}

static int both(void *arg)
{
    struct office bank = {arg, FE_DOWNWARD, "0x1.5555555555555p-2"};
    struct office tax = {arg, FE_UPWARD, "0x1.5555555555556p-2"};
    struct leak_actor actors[] = {{"bank", calculate, &bank}, {"tax", calculate, &tax}};
    return leak_together(actors, 2);
}

static int run_rounding(struct leak_run *run)
{
    struct hall hall = {run, FE_TONEAREST};
    return leak_play(both, &hall, NULL);
}

const struct leak_case leak_rounding = {
    .name = "rounding",
    .title = "fesetround() in one task changes what another calculates.",
    .seen = "switches that save no control words",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{3, 4}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 4}}},
        },
    .run = run_rounding,
};
