/* SPDX-License-Identifier: MIT */
/*
 * Contexts that were given to several who run in them without entering them: tasks and
 * callbacks. They all run on one thread, in turn, and it keeps the context until the last of
 * them is over. Meanwhile nobody enters it elsewhere [D3].
 *
 * A context that is kept is shared (chain.c), and one word says both who is inside and
 * whether it is kept: its `place`. So each sees the other.
 */
#ifndef NOOK__KEEP_H
#define NOOK__KEEP_H

#include "context.h"

/* Of `place`, beside a thread's number: of who is inside, or 0. Where it is kept, beside
 * the number of its keep. */
#define NOOK__ENTERED 1u
#define NOOK__KEPT 2u
#define NOOK__WHO (~3u)

static inline uint32_t nook__place(nook_context *context)
{
    return atomic_load_explicit(&context->place, memory_order_acquire);
}

/* 1; or 0 where it was not that, and what it is instead is there then. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the linter does not see it written */
static inline int nook__place_change(nook_context *context, uint32_t *from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&context->place, from, to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/*
 * One more runs in it without entering. In: the number of the thread that is wanted for
 * it, 0: nobody yet, and till then nobody enters. Out: the number of the thread where it must
 * be, because they run there who have it, or who is inside. NOOK_ENOMEM. Any thread.
 */
int nook__context_keep(nook_context *context, uint32_t *keeper);
/* One less. */
void nook__context_unkeep(nook_context *context);
/* The number of the thread that keeps it; 0: none does yet. */
uint32_t nook__context_keeper(nook_context *context);

/* In chain.c: it is nobody's home from now on. */
void nook__context_share(nook_context *context);

/* For chain.c, where it is kept: enters, 1 where that thread keeps it and nobody is inside; */
int nook__keep_enter(nook_context *context, uint32_t number);
/* 1: somebody is inside on that thread. */
int nook__keep_is_inside(nook_context *context, uint32_t number);

#endif
