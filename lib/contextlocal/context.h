/* SPDX-License-Identifier: MIT */
#ifndef NOOK__CONTEXT_H
#define NOOK__CONTEXT_H

#include "current.h"
#include "map.h"
#include "thread.h"

struct nook_context {
    struct nook__map map;
    _Atomic uint32_t refs;
    _Atomic uint32_t turn;   /* at home: see chain.c */
    _Atomic uint32_t place;  /* where it is shared: who is inside, and is it kept? keep.h */
    _Atomic uint8_t shared;  /* is there no home any more? */
    _Atomic uint8_t writing; /* see "Who may touch the map" in context.c */
    _Atomic uint8_t reading;
    uint8_t lodges;     /* NOOK__LODGES, NOOK__KNOWN: in memory that is not its own */
    uint64_t id;        /* never reused: tokens compare it; 0 until there is one */
    nook_context *prev; /* while entered: what was current before; owned */
    void *user;
};

/* Of `lodges`. Who knows where it is may have kept that without a reference. */
enum { NOOK__LODGES = 1, NOOK__KNOWN = 2 };

/* The current context, of the same root often, takes the map's references back. */
static inline void nook__context_give_back(struct nook__map map)
{
    nook_context *current = nook__current_get();
    nook__map_give_back(map, current != NULL ? &current->map : NULL);
}

/* The current context, made if the thread has none. NOOK_ENOMEM, NOOK_EBUSY. */
int nook__context_require(nook_context **out);

/* 1: some chain has entered it. */
int nook__context_is_entered(nook_context *context);

/* 1: nobody but the caller holds the context, so nobody else can begin to. */
int nook__context_is_callers(nook_context *context);

/* Another reference to one that nobody else knows yet; and several less. */
static inline nook_context *nook__context_again(nook_context *context)
{
    uint32_t refs = atomic_load_explicit(&context->refs, memory_order_relaxed);
    atomic_store_explicit(&context->refs, refs + 1, memory_order_relaxed);
    return context;
}
void nook__context_drop(nook_context *context, uint32_t n);

/*
 * The same in two steps, for a copy that was not changed. 1: the caller has all n references,
 * and others hold what the copy holds, so that nothing but memory goes with it. And then to a
 * context that the caller may write: 1: it is gone, but for its memory; 0: the two are not of
 * one root. The third gives that up, where it does not lodge.
 */
int nook__context_goes_quietly(nook_context *context, uint32_t n);
int nook__context_give_to(nook_context *context, nook_context *to);
void nook__context_end(nook_context *context);

/*
 * Contexts in memory that somebody else has, of the size and alignment of one. Who has it is
 * told by the hook once the context is gone: on any thread, perhaps while locks are held; and
 * sets the hook before he has any.
 */
extern void (*_Atomic nook__context_left)(nook_context *context);
/* nook_context_inherit and nook_context_new, there. */
int nook__context_inherit_at(nook_context *at);
void nook__context_new_at(nook_context *at);
/* 1: it has moved, since nobody else holds its n references, and nobody was ever inside. */
int nook__context_move(nook_context *from, nook_context *to, uint32_t n);

/* The number by which a token knows the calling thread's current context. */
uint64_t nook__context_number(void); /* a new one, where the thread has none at hand */

static inline uint64_t nook__context_id(nook_context *context)
{
    if (__builtin_expect(context->id == 0, 0)) {
        struct nook__thread *thread = nook__thread_get();
        int at_hand = thread != NULL && thread->next_id != thread->end_id;
        context->id = at_hand ? thread->next_id++ : nook__context_number();
    }
    return context->id;
}

/*
 * Binds or, with NOOK__UNSET, unbinds, in the calling thread's current context.
 * The value's and the variable's reference move in on success; *old is the
 * previous binding, with its references, or NOOK__UNSET.
 */
int nook__context_exchange(nook_context *context, nook_var *var, uint32_t index, void *value,
                           void **old);

/*
 * Around the owner's check and write: see "Who may touch the map" in context.c.
 * Nothing in between calls back.
 */
void nook__write_yield(nook_context *context);

/* What the frequent paths have to look out for: each watcher counts 2. */
extern _Atomic uint32_t nook__attention;
#define NOOK__FENCES 1u /* no barrier passes all threads */
#define NOOK__WATCHER 2u

static inline uint32_t nook__attention_get(void)
{
    return atomic_load_explicit(&nook__attention, memory_order_relaxed);
}

static inline int nook__needs_fence(void)
{
    return (nook__attention_get() & NOOK__FENCES) != 0;
}

/* The rare side, one at a time: between its store and its look at what owners say. */
void nook__barrier(void);
void nook__rare_lock(void);
void nook__rare_unlock(void);

/* 1, or 0 where a reader is there: then yield, and try again. */
static inline int nook__write_try(nook_context *context)
{
    atomic_store_explicit(&context->writing, 1, memory_order_relaxed);
    if (__builtin_expect(nook__needs_fence(), 0))
        atomic_thread_fence(memory_order_seq_cst);
    else
        atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&context->reading, memory_order_acquire) == 0;
}

static inline void nook__write_begin(nook_context *context)
{
    while (!nook__write_try(context))
        nook__write_yield(context);
}

static inline void nook__write_end(nook_context *context)
{
    atomic_store_explicit(&context->writing, 0, memory_order_release);
}

/*
 * What nook__context_exchange does, for a variable without operations and a place that
 * nobody shares: what was bound before, or NOOK__NOT_HERE. *more as in nook__map_swap.
 */
static inline void *nook__context_swap(nook_context *context, const nook_var *var,
                                       uint32_t index, void *value, int *more)
{
    void *old = NOOK__NOT_HERE; /* also where a reader is there, whom exchange waits for */
    if (nook__write_try(context))
        old = nook__map_swap(&context->map, var->created, index, value, more);
    nook__write_end(context);
    return old;
}

/* nook__map_replace, where there is no reader, and owners need no fence. */
static inline void *nook__context_replace(nook_context *context, uint32_t index, void *value)
{
    void *old = NOOK__UNSET;
    atomic_store_explicit(&context->writing, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    uint32_t fences = nook__attention_get() & NOOK__FENCES;
    uint32_t reading = atomic_load_explicit(&context->reading, memory_order_acquire);
    if (__builtin_expect((fences | reading) == 0, 1))
        old = nook__map_replace(&context->map, index, value);
    nook__write_end(context);
    return old;
}

/* Around a fork; the last in the child, where no other thread is inside a watcher. */
void nook__watchers_lock(void);
void nook__watchers_unlock(void);
void nook__watchers_forget_others(void);

/* Tells the watchers, if there are any. */
void nook__watchers_tell(nook_context *now);
static inline void nook__switched(nook_context *now)
{
    if (__builtin_expect(nook__attention_get() >= NOOK__WATCHER, 0))
        nook__watchers_tell(now);
}

/* 1: somebody wants to hear of switches. */
static inline int nook__watched(void)
{
    return nook__attention_get() >= NOOK__WATCHER;
}

/*
 * nook_state_swap, for who does it at each switch of tasks, and sees to it in the end that the
 * thread's own chain is dropped when it exits.
 */
static inline nook_context *nook__state_swap(nook_context *state)
{
    return __builtin_expect(nook__watched(), 0) ? nook_state_swap(state)
                                                : nook__current_swap(state);
}

#endif
