/* SPDX-License-Identifier: MIT */
/*
 * Stacks of tasks: slots of large mappings, each above a guard that faults.
 *
 * Memory is committed by the first touch of each page. A stack that comes back
 * is the next to go out; when more lie idle than are in use (and than a floor
 * of NOOK__STACKS_WARM), the longest idle ones give their pages back.
 *
 * The guard is as large as the stack, but at least 16 KiB and at most 64 KiB.
 * A frame larger than the guard can step over it without a fault, unless the
 * code was compiled with -fstack-clash-protection, which touches every page.
 */
#ifndef NOOK__STACK_H
#define NOOK__STACK_H

#include <stddef.h>

/*
 * Usable bytes: [low, low + size). The guard lies just below low. Sanitizers
 * make frames several times larger.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NOOK__STACK_DEFAULT ((size_t)256 * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define NOOK__STACK_DEFAULT ((size_t)256 * 1024)
#endif
#endif
#ifndef NOOK__STACK_DEFAULT
#define NOOK__STACK_DEFAULT ((size_t)64 * 1024)
#endif
#define NOOK__STACK_SMALLEST ((size_t)4096)
#define NOOK__STACKS_WARM 128

struct nook__stack {
    char *low;
    size_t size;
    void *slab;
    unsigned colour;
};

struct nook__stacks;

/*
 * A pool of stacks of one size, in bytes; 0 means NOOK__STACK_DEFAULT. The
 * size is rounded up to whole pages. Every call on a pool is thread-safe, and
 * none parks. NOOK_ENOMEM, NOOK_EINVAL (a size beyond any address space).
 */
int nook__stacks_new(struct nook__stacks **out, size_t stack_size);

/* The pool goes, once all stacks are back. NULL is allowed. */
void nook__stacks_free(struct nook__stacks *pool);

/* The usable bytes of this pool's stacks. */
size_t nook__stacks_size(const struct nook__stacks *pool);

/*
 * Hands out the stack that came back last, or a new one. Its content is
 * unspecified. NOOK_ENOMEM: no address space, or no more mappings
 * (vm.max_map_count, where guards need mprotect).
 */
int nook__stack_get(struct nook__stacks *pool, struct nook__stack *out);

/* Takes the stack back and clears *stack. Nobody may be running on it. */
void nook__stack_put(struct nook__stacks *pool, struct nook__stack *stack);

/*
 * 1 if the address lies in the guard of a stack of ours, which then fills
 * *owner (unless NULL) with low, size and slab of the stack above it; else 0.
 * Async-signal-safe, any thread.
 */
int nook__stack_owner(const void *address, struct nook__stack *owner);

/* Nobody runs on it: its pages are given back, and will be zero. */
void nook__stack_clear(const struct nook__stack *stack);

/* From there down to the lowest byte that is not zero. Nobody runs on it. */
size_t nook__stack_depth(const struct nook__stack *stack, const char *top);

/* From the end down to the lowest page that is in memory. Anybody may run on it. */
size_t nook__stack_touched(char *low, size_t size);

/* Round a fork: locks, or unlocks, the table of ranges. */
void nook__stack_fork(int before);

/* Stacks handed out and not back, in the whole process, but for those kept. Any thread. */
long nook__stacks_live(void);

/* Who was handed them keeps so many more, unused: they do not count as handed out. */
void nook__stacks_kept(long more);

/*
 * Where execution starts, 16-byte aligned: the end of the stack less its
 * colour. Stacks lie at the same offset of their pages; without colours their
 * hot top lines would fight for the same few sets of the first-level cache.
 */
void *nook__stack_top(const struct nook__stack *stack);

#endif
