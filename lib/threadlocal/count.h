/* SPDX-License-Identifier: MIT */
/* Live objects, counted only where NOOK_CHECKS asks: a shared counter is a locked add. */
#ifndef NOOK__LOCAL_COUNT_H
#define NOOK__LOCAL_COUNT_H

#include <stdatomic.h>

struct nook__local_counts {
    atomic_long keys, threads, values;
    atomic_long backings, cells, locals, stacks, tables, items, managers;
    atomic_long apps, contexts, requests;
};

extern struct nook__local_counts nook__local_counts;

#if defined(NOOK_CHECKS) && NOOK_CHECKS
#define NOOK__LOCAL_COUNT(what, n) \
    ((void)atomic_fetch_add_explicit(&nook__local_counts.what, (n), memory_order_relaxed))
#else
#define NOOK__LOCAL_COUNT(what, n) ((void)0)
#endif

#endif
