/* SPDX-License-Identifier: MIT */
/* Live objects, counted only where NOOK_CHECKS asks: a shared counter is a locked add. */
#ifndef NOOK__COUNT_H
#define NOOK__COUNT_H

#include <stdatomic.h>

struct nook__counts {
    atomic_long contexts;
    atomic_long nodes;
    atomic_long vars;
    atomic_long tokens;
};

extern struct nook__counts nook__counts;

#if NOOK_CHECKS
#define NOOK__COUNT(what, n) \
    atomic_fetch_add_explicit(&nook__counts.what, (n), memory_order_relaxed)
#else
#define NOOK__COUNT(what, n) ((void)0)
#endif

#endif
