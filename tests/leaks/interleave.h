/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LEAKS_INTERLEAVE_H
#define TESTS_LEAKS_INTERLEAVE_H

#include "leaks.h"

enum { INTERLEAVE_MIN = 2, INTERLEAVE_MAX = 8 };

/*
 * One schedule of the interleave case: n tasks set, yield, get. *wrong gets how
 * many of the n reads were wrong. The story goes to `run`, nothing is counted.
 * NOOK_EEND where the schedule has no further run; or what stopped it.
 */
int interleave_once(struct leak_run *run, nook_schedule *schedule, struct ambient *user,
                    unsigned n, unsigned *wrong);

#endif
