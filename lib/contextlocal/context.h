/* SPDX-License-Identifier: MIT */
#ifndef NOOK__CONTEXT_H
#define NOOK__CONTEXT_H

#include "current.h"
#include "map.h"

struct nook_context {
    struct nook__map map;
    _Atomic uint32_t refs;
    _Atomic uint32_t entered;
    _Atomic uint32_t writing; /* see "Who may touch the map" in context.c */
    _Atomic uint32_t reading;
    uint64_t id;        /* never reused: tokens compare it; 0 until there is one */
    nook_context *prev; /* while entered: what was current before; owned */
    void *user;
};

/* The current context, made if the thread has none. NOOK_ENOMEM, NOOK_EBUSY. */
int nook__context_require(nook_context **out);

/* The number by which a token knows the calling thread's current context. */
uint64_t nook__context_id(nook_context *context);

/*
 * Binds or, with NOOK__UNSET, unbinds, in the calling thread's current context.
 * The value's and the variable's reference move in on success; *old is the
 * previous binding, with its references, or NOOK__UNSET.
 */
int nook__context_exchange(nook_context *context, const nook_var *var, uint32_t index,
                           void *value, void **old);

/* Around a fork; the last in the child, where no other thread is inside a watcher. */
void nook__watchers_lock(void);
void nook__watchers_unlock(void);
void nook__watchers_forget_others(void);

/* Tells the watchers, if there are any. */
extern _Atomic uint32_t nook__watchers;
void nook__watchers_tell(nook_context *now);
static inline void nook__switched(nook_context *now)
{
    if (__builtin_expect(atomic_load_explicit(&nook__watchers, memory_order_relaxed) != 0, 0))
        nook__watchers_tell(now);
}

#endif
