/* SPDX-License-Identifier: MIT */
/*
 * What the library keeps per thread: the one thread-local of this room, three
 * words. The first is the current context. The second is the thread's record (thread.h),
 * which the paths that make and drop things need, and get does not. The third is the
 * thread's number, by which contexts know their home: its own, never reused, and 0 where
 * there is no record. The number that it will have with one is in the upper half then, if it is
 * known: a thread that has detached is still the same to those who keep contexts for it.
 *
 * A green task may park on one thread and resume on another between any two
 * calls: so it is read and written as base/thread_word.h says.
 */
#ifndef NOOK__CURRENT_H
#define NOOK__CURRENT_H

#include "base/thread_word.h"

#include <nook/context.h>

struct nook__thread;

struct nook__mine {
    nook_context *current;
    struct nook__thread *thread;
    uint64_t number;
};

/* Seen by all, for what nook/inline.h puts into programs reads the first word. */
extern __thread struct nook__mine nook__mine
    __attribute__((tls_model("initial-exec"), visibility("default")));

#if NOOK__WORD_ASM

static inline nook_context *nook__current_get(void)
{
    nook_context *context;
    NOOK__WORD_LOAD(nook__mine, 0, context);
    return context;
}

static inline void nook__current_set(nook_context *context)
{
    NOOK__WORD_STORE(nook__mine, 0, context);
}

static inline nook_context *nook__current_swap(nook_context *context)
{
    nook_context *before;
    NOOK__WORD_SWAP(nook__mine, 0, context, before);
    return before;
}

static inline struct nook__thread *nook__thread_get(void)
{
    struct nook__thread *thread;
    NOOK__WORD_LOAD(nook__mine, 8, thread);
    return thread;
}

static inline void nook__thread_set(struct nook__thread *thread)
{
    NOOK__WORD_STORE(nook__mine, 8, thread);
}

static inline uint32_t nook__number_get(void)
{
    uint64_t number;
    NOOK__WORD_LOAD(nook__mine, 16, number);
    return (uint32_t)number;
}

static inline uint32_t nook__number_due(void)
{
    uint64_t number;
    NOOK__WORD_LOAD(nook__mine, 16, number);
    return (uint32_t)(number >> 32);
}

static inline void nook__number_set(uint64_t number)
{
    NOOK__WORD_STORE(nook__mine, 16, number);
}

#else

struct nook__mine *nook__mine_address(void);

static inline nook_context *nook__current_get(void)
{
    return nook__mine_address()->current;
}

static inline void nook__current_set(nook_context *context)
{
    nook__mine_address()->current = context;
}

static inline nook_context *nook__current_swap(nook_context *context)
{
    struct nook__mine *mine = nook__mine_address();
    nook_context *before = mine->current;
    mine->current = context;
    return before;
}

static inline struct nook__thread *nook__thread_get(void)
{
    return nook__mine_address()->thread;
}

static inline void nook__thread_set(struct nook__thread *thread)
{
    nook__mine_address()->thread = thread;
}

static inline uint32_t nook__number_get(void)
{
    return (uint32_t)nook__mine_address()->number;
}

static inline uint32_t nook__number_due(void)
{
    return (uint32_t)(nook__mine_address()->number >> 32);
}

static inline void nook__number_set(uint64_t number)
{
    nook__mine_address()->number = number;
}

#endif

/* There is no record: the number is 0 until there is one. */
static inline void nook__number_await(uint32_t due)
{
    nook__number_set((uint64_t)due << 32);
}

#endif
