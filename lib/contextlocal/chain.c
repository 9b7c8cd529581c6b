/* SPDX-License-Identifier: MIT */
/*
 * References, the chain of current contexts, and the bases of threads.
 *
 * The chain. A thread's (or task's) current context is the top of a chain that
 * `prev` links; its bottom is a base or a task's own context, never entered. The
 * chain owns one reference to each of its contexts.
 *
 * Whose turn it is. A context is entered by one chain at a time. The thread that
 * enters it first is its home, and goes in and out with plain loads and stores: it
 * writes TURNING to `inside`, looks whether it is the home still, and then writes IN or
 * OUT. Nor does it count the chain's reference, since whoever else holds the context
 * looks at `inside` before he frees it. Once another thread wants to enter, the context
 * is shared: under the lock of the rare side its home goes, all threads pass a barrier,
 * the last turn comes to its end, and the reference of who is inside is counted after
 * all. From then on, and for good, who enters exchanges `entered` and counts.
 *
 * Who leaves need not be who entered, since tasks and chains move between threads.
 * Another than the home leaves under the lock while it is not clear whether the
 * chain's reference was counted.
 *
 * Where only one reference is left beside that of a chain that did not count, its
 * holder keeps it for the chain, and the context is shared, too. Nobody else can begin a
 * turn then, who would need a reference; and who ends one touches nothing after OUT. So
 * a context that nobody is in goes without a barrier.
 */
#include "base/alone.h"
#include "base/probe.h"
#include "context.h"
#include "count.h"

#include <sched.h>

enum { OUT, TURNING, IN }; /* of `inside` */

static inline uint32_t home_of(nook_context *context)
{
    return atomic_load_explicit(&context->home, memory_order_acquire);
}

static inline unsigned inside(nook_context *context)
{
    return atomic_load_explicit(&context->inside, memory_order_acquire);
}

static inline void set_inside(nook_context *context, uint8_t now)
{
    atomic_store_explicit(&context->inside, now, memory_order_release);
}

static inline int is_entered(nook_context *context)
{
    return inside(context) == IN ||
           atomic_load_explicit(&context->entered, memory_order_acquire) != 0;
}

/* How the home's last turn ended. */
static unsigned await_turn(nook_context *context)
{
    unsigned now;
    while ((now = inside(context)) == TURNING)
        sched_yield();
    return now;
}

/* The context is nobody's home from now on. */
static void share(nook_context *context)
{
    struct nook__thread *thread = nook__thread_get();
    nook__rare_lock();
    uint32_t home = home_of(context);
    if (home != NOOK__SHARED) {
        atomic_store_explicit(&context->home, NOOK__SHARING, memory_order_relaxed);
        if (thread == NULL || thread->number != home)
            nook__barrier();
        if (await_turn(context) == IN)
            nook__refs_take(&context->refs);
        atomic_store_explicit(&context->home, NOOK__SHARED, memory_order_release);
    }
    nook__rare_unlock();
}

/* --- references ----------------------------------------------------------- */

nook_context *nook_context_ref(nook_context *context)
{
    if (context != NULL)
        nook__refs_take(&context->refs);
    return context;
}

/* Are there no other references than n? */
static inline int are_last(nook_context *context, uint32_t n)
{
    return atomic_load_explicit(&context->refs, memory_order_acquire) == n;
}

int nook__context_is_callers(nook_context *context)
{
    return are_last(context, 1) && inside(context) == OUT;
}

/* 1: only the caller's n references are left, else 0, and they are given up. */
static int keep_last(nook_context *context, uint32_t n)
{
    uint32_t refs = atomic_load_explicit(&context->refs, memory_order_acquire);
    while (refs != n) {
        if (NOOK__ALONE) {
            atomic_store_explicit(&context->refs, refs - n, memory_order_relaxed);
            return 0;
        }
        if (atomic_compare_exchange_weak_explicit(&context->refs, &refs, refs - n,
                                                  memory_order_acq_rel, memory_order_acquire))
            return 0;
    }
    return 1;
}

static __attribute__((noinline)) void drop_counting(nook_context *context, uint32_t n)
{
    if (!keep_last(context, n))
        return;
    if (inside(context) != OUT && home_of(context) != NOOK__SHARED) {
        share(context);
        if (!keep_last(context, n))
            return;
    }
    nook__context_give_back(context->map);
    nook__block_give(NOOK__CONTEXT_BLOCK, context);
    NOOK__COUNT(contexts, -1);
}

/* A copy that was not changed goes in a straight line. */
void nook__context_drop(nook_context *context, uint32_t n)
{
    nook_context *current = nook__current_get();
    if (__builtin_expect(current == NULL || !are_last(context, n) || inside(context) != OUT ||
                             !nook__map_takes_back(&current->map, &context->map),
                         0)) {
        drop_counting(context, n);
        return;
    }
    current->map.weight += context->map.weight;
    NOOK__COUNT(contexts, -1);
    if (__builtin_expect(!nook__block_keep(NOOK__CONTEXT_BLOCK, context), 0))
        free(context);
}

void nook_context_unref(nook_context *context)
{
    if (context != NULL)
        nook__context_drop(context, 1);
}

/* --- entering and leaving ------------------------------------------------- */

/* Is the calling thread at home? */
static inline int at_home(nook_context *context, const struct nook__thread *thread)
{
    return thread != NULL && home_of(context) == thread->number;
}

/*
 * At home: 1, the turn has begun; 0, and `inside` is what it was. Not where
 * nook__attention has any of what the caller heeds.
 */
static inline int begin_turn(nook_context *context, const struct nook__thread *thread,
                             uint8_t was, uint32_t heed)
{
    uint32_t number = thread->number;
    if (__builtin_expect(inside(context) != was, 0))
        return 0;
    set_inside(context, TURNING);
    atomic_signal_fence(memory_order_seq_cst);
    if (__builtin_expect((nook__attention_get() & heed) == 0 && home_of(context) == number, 1))
        return 1;
    set_inside(context, was);
    return 0;
}

/* Makes the calling thread the home of a context that has none yet. */
static void settle(nook_context *context, const struct nook__thread *thread)
{
    uint32_t none = NOOK__NO_HOME;
    if (home_of(context) == none && thread != NULL && thread->number != NOOK__NOBODY &&
        !nook__needs_fence())
        atomic_compare_exchange_strong_explicit(&context->home, &none, thread->number,
                                                memory_order_acquire, memory_order_relaxed);
}

/* Marks the context entered; the chain then owns a reference, counted or not. */
static int take_turn(nook_context *context)
{
    const struct nook__thread *thread = nook__thread_require();
    uint8_t no = 0;
    settle(context, thread);
    if (at_home(context, thread)) {
        if (begin_turn(context, thread, OUT, NOOK__FENCES)) {
            set_inside(context, IN);
            return 0;
        }
        if (inside(context) == IN)
            return NOOK_EENTERED;
    }
    share(context);
    if (await_turn(context) == IN ||
        !atomic_compare_exchange_strong_explicit(&context->entered, &no, 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return NOOK_EENTERED;
    nook__refs_take(&context->refs);
    return 0;
}

static void mark_left(nook_context *context)
{
    if (inside(context) == IN)
        set_inside(context, OUT);
    else
        atomic_store_explicit(&context->entered, 0, memory_order_release);
}

/* Marks the context left: 1 where the chain's reference is counted, and to be given up. */
static int end_turn(nook_context *context)
{
    const struct nook__thread *thread = nook__thread_get();
    if (at_home(context, thread) && begin_turn(context, thread, IN, NOOK__FENCES)) {
        set_inside(context, OUT);
        return 0;
    }
    int counted = home_of(context) == NOOK__SHARED;
    if (counted) {
        mark_left(context);
        return 1;
    }
    nook__rare_lock();
    counted = home_of(context) == NOOK__SHARED;
    mark_left(context);
    nook__rare_unlock();
    return counted;
}

static __attribute__((noinline)) int enter_anywhere(nook_context *context)
{
    if (context == NULL)
        return NOOK_EINVAL;
    nook_context *before = nook__current_get();
    int rc = before == NULL ? nook__thread_watch() : 0;
    if (rc == 0)
        rc = take_turn(context);
    if (rc < 0)
        return rc;
    context->prev = before;
    nook__current_set(context);
    NOOK__PROBE2(context_enter, context, before);
    nook__switched(context);
    return 0;
}

/* A thread with a record is watched already, and without watchers nobody is told. */
int nook_context_enter(nook_context *context)
{
    const struct nook__thread *thread = nook__thread_get();
    nook_context *before = nook__current_get();
    if (__builtin_expect(context == NULL || !at_home(context, thread) ||
                             !begin_turn(context, thread, OUT, UINT32_MAX),
                         0))
        return enter_anywhere(context);
    set_inside(context, IN);
    context->prev = before;
    nook__current_set(context);
    NOOK__PROBE2(context_enter, context, before);
    return 0;
}

static __attribute__((noinline)) int exit_anywhere(nook_context *context)
{
    if (context == NULL)
        return NOOK_EINVAL;
    if (!is_entered(context))
        return NOOK_ENOTENTERED;
    if (nook__current_get() != context)
        return NOOK_ENOTCURRENT;
    nook_context *below = context->prev;
    int counted = end_turn(context);
    nook__current_set(below);
    NOOK__PROBE2(context_exit, context, below);
    nook__switched(below);
    if (counted)
        nook_context_unref(context);
    return 0;
}

int nook_context_exit(nook_context *context)
{
    const struct nook__thread *thread = nook__thread_get();
    if (__builtin_expect(context == NULL || nook__current_get() != context ||
                             !at_home(context, thread) ||
                             !begin_turn(context, thread, IN, UINT32_MAX),
                         0))
        return exit_anywhere(context);
    nook_context *below = context->prev;
    set_inside(context, OUT);
    nook__current_set(below);
    NOOK__PROBE2(context_exit, context, below);
    return 0;
}

int nook_context_run(nook_context *context, int (*fn)(void *arg), void *arg, int *result)
{
    if (fn == NULL)
        return NOOK_EINVAL;
    int rc = nook_context_enter(context);
    if (rc < 0)
        return rc;
    int value = fn(arg);
    rc = nook_context_exit(context);
    if (rc == 0 && result != NULL)
        *result = value;
    return rc;
}

nook_context *nook_state_swap(nook_context *state)
{
    nook_context *before = nook__current_get();
    /* A chain from elsewhere may be this thread's first. Without memory for the
     * mark, the chain outlives a thread that dies with it. */
    if (before == NULL && state != NULL)
        (void)nook__thread_watch();
    nook__current_set(state);
    nook__switched(state);
    return before;
}

void nook_state_drop(nook_context *state)
{
    while (state != NULL) {
        nook_context *dropped = state;
        int entered = is_entered(state);
        state = entered ? state->prev : NULL;
        if (!entered || end_turn(dropped))
            nook_context_unref(dropped);
    }
}

void nook_thread_detach(void)
{
    nook_context *chain = nook__current_get();
    if (chain == NULL && nook__thread_get() == NULL)
        return;
    nook__thread_unwatch();
    if (chain != NULL)
        nook_state_drop(nook_state_swap(NULL));
    nook__thread_forget();
}
