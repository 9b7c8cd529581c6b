/* SPDX-License-Identifier: MIT */
/* For cases that play the same program under many schedules. */
#ifndef TESTS_LEAKS_PLAY_H
#define TESTS_LEAKS_PLAY_H

#include "leaks.h"

/*
 * leak_play once, and then under n - 1 other schedules, the same ones each time.
 * The story is the first one's.
 */
int leak_play_often(struct leak_run *run, unsigned n, nook_task_fn main, void *arg,
                    const nook_run_options *options);

#endif
