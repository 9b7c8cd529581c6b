/* SPDX-License-Identifier: MIT */
/*
 * rounding: a bank rounds interest down, a tax office rounds up. The rounding
 * mode is a control word of the processor: a switch that does not save it hands
 * one task's mode to the next.
 *
 * nook's switch saves it. What a switch that does not would do, `park` does by
 * hand: a task goes on with the mode that was in the processor when the last one
 * left. The mode, and the arithmetic under it, are the processor's own.
 */
#include "leaks.h"

#include <fenv.h>
#include <math.h>
#include <stdio.h>

struct hall {
    struct leak_run *run;
    int left_behind; /* the mode that the last task left in the processor */
};

struct office {
    struct hall *hall;
    int mode;
    const char *expects;
};

static int park(struct hall *hall)
{
    hall->left_behind = fegetround();
    int rc = nook_yield();
    if (hall->run->storage == LEAK_THREAD)
        fesetround(hall->left_behind);
    return rc;
}

/* 10.00 / 3, in whole cents. */
static void share(char *text, size_t size)
{
    volatile double cents = 1000, parts = 3;
    volatile double each = cents / parts;
    long rounded = lrint(each); /* and no %f: that rounds as well */
    snprintf(text, size, "%ld.%02ld", rounded / 100, rounded % 100);
}

static int calculate(void *arg)
{
    struct office *office = arg;
    struct hall *hall = office->hall;
    char text[24];
    if (fesetround(office->mode) != 0)
        return NOOK_ENOTSUP;
    leak_does(hall->run, "fesetround(%s)",
              office->mode == FE_DOWNWARD ? "FE_DOWNWARD" : "FE_UPWARD");
    for (int i = 0; i < 2; i++) {
        int rc = park(hall);
        if (rc != 0)
            return rc;
        share(text, sizeof(text));
        leak_reads(hall->run, "10.00 / 3", text, office->expects);
    }
    fesetround(FE_TONEAREST);
    hall->left_behind = FE_TONEAREST;
    return 0;
}

static int both(void *arg)
{
    struct office bank = {arg, FE_DOWNWARD, "3.33"}, tax = {arg, FE_UPWARD, "3.34"};
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
    .how = {[LEAK_THREAD] = "with a switch that does not save the control words (by hand)",
            [LEAK_CONTEXT] = "with nook's switch, which saves them for each task"},
    .promise =
        {
            /* Twice the bank finds the tax office's mode, once the tax office
               the one that the bank left when it had ended. */
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{3, 4}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 4}}},
        },
    .run = run_rounding,
};
