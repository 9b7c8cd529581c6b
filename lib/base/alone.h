/* SPDX-License-Identifier: MIT */
/*
 * Counting without locked instructions while the process has one thread.
 *
 * libc knows; where it does not say, the answer is no. A second thread is made by the first,
 * which then sees what the first has counted.
 */
#ifndef NOOK__ALONE_H
#define NOOK__ALONE_H

#include <stdatomic.h>

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define NOOK__ALONE (__libc_single_threaded != 0)
#endif
#endif
#ifndef NOOK__ALONE
#define NOOK__ALONE 0
#endif

static inline void nook__count_add(atomic_long *count, long n)
{
    if (NOOK__ALONE)
        atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

/* One reference more. */
static inline void nook__refs_take(atomic_uint *refs)
{
    if (NOOK__ALONE)
        atomic_store_explicit(refs, atomic_load_explicit(refs, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/*
 * n references less. 1: they were the last. Who holds all that there are needs no locked
 * instruction either, since nobody else can count.
 */
static inline int nook__refs_drop(atomic_uint *refs, unsigned n)
{
    unsigned there = atomic_load_explicit(refs, memory_order_acquire);
    if (there == n)
        return 1;
    if (NOOK__ALONE) {
        atomic_store_explicit(refs, there - n, memory_order_relaxed);
        return 0;
    }
    return atomic_fetch_sub_explicit(refs, n, memory_order_acq_rel) == n;
}

#endif
