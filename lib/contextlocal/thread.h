/* SPDX-License-Identifier: MIT */
/*
 * A thread's record: what a thread has at hand so that the frequent paths need
 * neither malloc nor a locked instruction. Made at the first need, given back when
 * the thread ends or detaches. A thread without one, for want of memory or because
 * it is exiting, does the same more slowly. One with a record is watched.
 *
 * Invariant: only its thread touches a record, and a callback may move the caller to
 * another thread; so a record is asked for anew after anything that may call back.
 */
#ifndef NOOK__THREAD_H
#define NOOK__THREAD_H

#include "current.h"

#include <stdlib.h>

/* What is made and dropped often, by kind. */
enum nook__block_kind { NOOK__CONTEXT_BLOCK, NOOK__NODE_BLOCK, NOOK__KINDS };

struct nook__block {
    struct nook__block *next;
    uint32_t room; /* how many more may be kept above it */
};

/* In place of a thread's number in a context; no thread has one of them. The lowest bits of
 * a number are free: chain.c. */
#define NOOK__NUMBER_STEP 4u
#define NOOK__NO_HOME (UINT32_MAX - 7)
#define NOOK__GONE UINT32_MAX

struct nook__thread {
    struct nook__block *kept[NOOK__KINDS]; /* free ones, last in first out, and below them */
    struct nook__block none[NOOK__KINDS];  /* one that is not taken: it has no next */
    uint64_t next_id, end_id;              /* numbers of contexts that this thread may give */
};

/* Once in a process, before anything else: 0 or NOOK_ENOMEM. In context.c. */
int nook__set_up(void);

/* The part of it that threads need. */
int nook__threads_set_up(void);

/* A thread that begins a chain must drop it when it exits. NOOK_ENOMEM, NOOK_EBUSY. */
int nook__thread_watch(void);

/* The calling thread's record, made if it has none; NULL: there is none. */
struct nook__thread *nook__thread_require(void);

/* A number for a thread that is to come, which takes it when it begins, unless there is no
 * record for it. 0: there are no more. */
uint32_t nook__number_new(void);
void nook__number_take(uint32_t number);

/* It will have nothing to drop, unless its exit has begun; and the record goes. */
void nook__thread_unwatch(void);
void nook__thread_forget(void);

/* The slow half of taking. */
void *nook__block_make(enum nook__block_kind kind);

/* AddressSanitizer is to see each use of what was given back. */
#if defined(__SANITIZE_ADDRESS__)
#define NOOK__KEEPS_BLOCKS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NOOK__KEEPS_BLOCKS 0
#endif
#endif
#ifndef NOOK__KEEPS_BLOCKS
#define NOOK__KEEPS_BLOCKS 1
#endif

/* One of the kind that the thread has at hand; NULL: none. */
static inline void *nook__block_at_hand(struct nook__thread *thread, enum nook__block_kind kind)
{
    if (__builtin_expect(thread == NULL, 0))
        return NULL;
    struct nook__block *block = thread->kept[kind], *next = block->next;
    if (__builtin_expect(next == NULL, 0))
        return NULL;
    thread->kept[kind] = next;
    return block;
}

/* Memory for one of the kind; NULL: none. */
static inline void *nook__block_take(enum nook__block_kind kind)
{
    void *block = nook__block_at_hand(nook__thread_get(), kind);
    return __builtin_expect(block != NULL, 1) ? block : nook__block_make(kind);
}

/* 1: the thread keeps it at hand; 0: it has no room. */
static inline int nook__block_keep(enum nook__block_kind kind, void *memory)
{
    struct nook__thread *thread = nook__thread_get();
    if (__builtin_expect(thread == NULL, 0))
        return 0;
    struct nook__block *block = memory, *next = thread->kept[kind];
    if (__builtin_expect(next->room == 0, 0))
        return 0;
    block->next = next;
    block->room = next->room - 1;
    thread->kept[kind] = block;
    return 1;
}

static inline void nook__block_give(enum nook__block_kind kind, void *memory)
{
    if (!nook__block_keep(kind, memory))
        free(memory);
}

#endif
