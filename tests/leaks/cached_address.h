/* SPDX-License-Identifier: MIT */
/* cached-address, one build of its victim at a time. */
#ifndef TESTS_LEAKS_CACHED_ADDRESS_H
#define TESTS_LEAKS_CACHED_ADDRESS_H

#include "leaks.h"
#include "victim/victim.h"

/* A victim from a shared object, which stays loaded. NULL: it does not load. */
const struct victim *victim_load(const char *path);

/* Three counts: reads of errno, of pthread_self(), of a __thread. 0, or a code. */
int victim_play(const struct victim *victim, struct leak_run *run);

#endif
