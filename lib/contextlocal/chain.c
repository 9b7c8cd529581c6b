/* SPDX-License-Identifier: MIT */
/*
 * References, the chain of current contexts, and the bases of threads.
 *
 * The chain. A thread's (or task's) current context is the top of a chain that
 * `prev` links; its bottom is a base or a task's own context, never entered. The
 * chain owns one reference to each of its contexts.
 *
 * Whose turn it is. A context is entered by one chain at a time. The thread that
 * enters it first is its home, and goes in and out with plain loads and stores of `turn`,
 * which holds the home's number and where it is. Nor does it count the chain's reference,
 * since whoever else holds the context looks at `turn` before he frees it. Once another
 * thread wants to enter, the context is shared: under the lock of the rare side `shared`
 * is set, all threads pass a barrier, and if the home is inside then, that is noted in
 * `place`, and the chain's reference counted after all. From then on, and for good, who
 * enters exchanges `place`, puts his thread's number there, and counts. One that nobody has
 * entered yet has no home, and gets none once its `turn` was exchanged: no barrier then.
 * Where it is kept for others, who enters looks there first: keep.h.
 *
 * The home looks at `shared` after its store. Where that is set, who enters reads in
 * `place` whether he was let in. Who leaves must not look back, since the context may be
 * freed as soon as nobody is in it: so he says TURNING, looks, and then OUT, or IN again;
 * who shares waits for that. `turn` is GONE once the context is shared. A store of the home
 * may come after that, but then the home has seen `shared`, and says GONE itself.
 *
 * Who leaves need not be who entered, since tasks and chains move between threads.
 * Another than the home leaves under the lock while it is not clear whether the
 * chain's reference was counted.
 *
 * Where only one reference is left beside that of a chain that did not count, its
 * holder keeps it for the chain, and the context is shared, too. Nobody else can enter
 * then, who would need a reference. So a context that nobody is in goes without a barrier.
 */
#include "base/alone.h"
#include "base/probe.h"
#include "context.h"
#include "count.h"
#include "keep.h"

#include <sched.h>
#include <string.h>

enum { OUT, IN, TURNING, WHERE = 3 }; /* of `turn`, beside the number */
enum { HOMELY, SHARING, SHARED };     /* of `shared` */

static inline uint32_t turn_of(nook_context *context)
{
    return atomic_load_explicit(&context->turn, memory_order_acquire);
}

static inline void set_turn(nook_context *context, uint32_t turn)
{
    atomic_store_explicit(&context->turn, turn, memory_order_release);
}

static inline unsigned shared_of(nook_context *context)
{
    return atomic_load_explicit(&context->shared, memory_order_acquire);
}

int nook__context_is_entered(nook_context *context)
{
    uint32_t turn = turn_of(context);
    if (shared_of(context) == SHARED || turn == NOOK__GONE)
        return (nook__place(context) & NOOK__ENTERED) != 0;
    return (turn & WHERE) == IN;
}

/* Where the home was when it last left or entered. */
static uint32_t await_turn(nook_context *context)
{
    uint32_t where;
    while ((where = turn_of(context) & WHERE) == TURNING)
        sched_yield();
    return where;
}

static inline int change_turn(nook_context *context, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&context->turn, &from, to,
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static void share_with_home(nook_context *context)
{
    uint32_t home = turn_of(context) & ~(uint32_t)WHERE;
    if (home != nook__number_get())
        nook__barrier();
    if (await_turn(context) == IN) {
        nook__refs_take(&context->refs);
        atomic_store_explicit(&context->place, home | NOOK__ENTERED, memory_order_relaxed);
    }
}

static void share_locked(nook_context *context)
{
    atomic_store_explicit(&context->shared, SHARING, memory_order_relaxed);
    if (!change_turn(context, NOOK__NO_HOME, NOOK__GONE))
        share_with_home(context);
    atomic_store_explicit(&context->shared, SHARED, memory_order_release);
}

void nook__context_share(nook_context *context)
{
    if (shared_of(context) != SHARED) {
        nook__rare_lock();
        if (shared_of(context) != SHARED)
            share_locked(context);
        nook__rare_unlock();
    }
    set_turn(context, NOOK__GONE);
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
    int counted = shared_of(context) == SHARED;
    return are_last(context, 1) && (counted || (turn_of(context) & WHERE) == OUT);
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

static inline void give_memory(nook_context *context)
{
    if (__builtin_expect(context->lodges, 0))
        atomic_load_explicit(&nook__context_left, memory_order_relaxed)(context);
    else
        nook__block_give(NOOK__CONTEXT_BLOCK, context);
}

static __attribute__((noinline)) void drop_counting(nook_context *context, uint32_t n)
{
    for (;;) {
        int counted = shared_of(context) == SHARED; /* already when the references are */
        if (!keep_last(context, n))
            return;
        if (counted || (turn_of(context) & WHERE) == OUT)
            break;
        nook__context_share(context);
    }
    nook__context_give_back(context->map);
    give_memory(context);
    NOOK__COUNT(contexts, -1);
}

/* 1: nobody else holds it, and it is in no chain that did not count. */
static inline int is_free(nook_context *context, uint32_t n)
{
    return __builtin_expect(are_last(context, n), 1) && (turn_of(context) & WHERE) == OUT;
}

int nook__context_goes_quietly(nook_context *context, uint32_t n)
{
    return is_free(context, n) && context->map.patch == 0 &&
           !nook__held(context->map.root, context->map.weight);
}

int nook__context_give_to(nook_context *context, nook_context *to)
{
    if (__builtin_expect(to == NULL || !nook__map_takes_back(&to->map, &context->map), 0))
        return 0;
    to->map.weight += context->map.weight;
    NOOK__COUNT(contexts, -1);
    return 1;
}

void nook__context_end(nook_context *context)
{
    nook__block_give(NOOK__CONTEXT_BLOCK, context);
}

int nook__context_move(nook_context *from, nook_context *to, uint32_t n)
{
    if (!are_last(from, n) || turn_of(from) != NOOK__NO_HOME || from->lodges == NOOK__KNOWN ||
        nook__attention_get() >= NOOK__WATCHER)
        return 0;
    memcpy(to, from, sizeof *to);
    return 1;
}

/* A copy that was not changed goes in a straight line. */
void nook__context_drop(nook_context *context, uint32_t n)
{
    if (__builtin_expect(
            !is_free(context, n) || !nook__context_give_to(context, nook__current_get()), 0))
        drop_counting(context, n);
    else
        give_memory(context);
}

void nook_context_unref(nook_context *context)
{
    if (context != NULL)
        nook__context_drop(context, 1);
}

/* --- entering and leaving ------------------------------------------------- */

/* The home's look at `shared`, after its store of `turn`, where there are no fences. Who
 * finds it set looks again under the lock, or with acquire. */
static inline unsigned look(nook_context *context)
{
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&context->shared, memory_order_relaxed);
}

static unsigned look_fencing(nook_context *context)
{
    if (nook__needs_fence())
        atomic_thread_fence(memory_order_seq_cst);
    return look(context);
}

/* Threads without a number pass for one. */
static int enter_shared(nook_context *context)
{
    uint32_t number = nook__number_get(), place = 0;
    if (number == 0)
        number = NOOK__NO_HOME;
    nook__context_share(context);
    if (!nook__place_change(context, &place, number | NOOK__ENTERED) &&
        ((place & NOOK__KEPT) == 0 || !nook__keep_enter(context, number)))
        return NOOK_EENTERED;
    nook__refs_take(&context->refs);
    return 0;
}

/* 1: who shares the context found this thread, its home, inside. */
static int was_inside(nook_context *context)
{
    uint32_t place = nook__place(context), number = nook__number_get();
    return (place & NOOK__KEPT) != 0 ? nook__keep_is_inside(context, number)
                                     : place == (number | NOOK__ENTERED);
}

/* The home has said IN: but whoever shared may not have seen it. */
static int stay(nook_context *context)
{
    if (look_fencing(context) == HOMELY)
        return 0;
    nook__context_share(context);
    return was_inside(context) ? 0 : enter_shared(context);
}

/* 1: the calling thread is the home, became it perhaps, and says IN. */
static int step_in(nook_context *context, uint32_t number)
{
    uint32_t turn = turn_of(context);
    if (turn == NOOK__NO_HOME)
        return number != 0 && !nook__needs_fence() && change_turn(context, turn, number + IN);
    if (turn != number + OUT)
        return 0;
    set_turn(context, number + IN);
    return 1;
}

/* Marks the context entered; the chain then owns a reference, counted or not. */
static int take_turn(nook_context *context)
{
    (void)nook__thread_require();
    uint32_t number = nook__number_get();
    if (step_in(context, number))
        return stay(context);
    if (turn_of(context) == number + IN)
        return NOOK_EENTERED;
    return enter_shared(context);
}

/* 1: the calling thread is the home, and has left. */
static int step_out(nook_context *context, uint32_t number)
{
    if (turn_of(context) != number + IN)
        return 0;
    set_turn(context, number + TURNING);
    int left = look_fencing(context) == HOMELY;
    set_turn(context, number + (left ? OUT : IN));
    return left;
}

/* 1: another than the home has left a context that is not shared. */
static int leave_for_home(nook_context *context)
{
    if (shared_of(context) == SHARED)
        return 0;
    nook__rare_lock();
    int homely = shared_of(context) != SHARED;
    if (homely)
        set_turn(context, turn_of(context) - IN + OUT);
    nook__rare_unlock();
    return homely;
}

/* Marks the context left: 1 where the chain's reference is counted, and to be given up. */
static int end_turn(nook_context *context)
{
    if (step_out(context, nook__number_get()) || leave_for_home(context))
        return 0;
    set_turn(context, NOOK__GONE);
    uint32_t place = nook__place(context);
    while (!nook__place_change(context, &place,
                               (place & NOOK__KEPT) != 0 ? place & ~NOOK__ENTERED : 0))
        continue; /* they have begun to keep it, or keep it no longer */
    return 1;
}

/* Of one that is marked entered. */
static inline void put_on_top(nook_context *context, nook_context *before)
{
    context->prev = before;
    nook__current_set(context);
    NOOK__PROBE2(context_enter, context, before);
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
    put_on_top(context, before);
    nook__switched(context);
    return 0;
}

/* The home has said IN, but somebody shares, or watches. */
static __attribute__((noinline)) int enter_heeding(nook_context *context)
{
    int rc = stay(context);
    if (rc < 0)
        return rc;
    put_on_top(context, nook__current_get());
    nook__switched(context);
    return 0;
}

/* A thread with a number is watched already, and without watchers nobody is told. */
int nook_context_enter(nook_context *context)
{
    uint32_t number = nook__number_get();
    if (__builtin_expect(context == NULL || turn_of(context) != number + OUT, 0))
        return enter_anywhere(context);
    set_turn(context, number + IN);
    if (__builtin_expect((look(context) | nook__attention_get()) != 0, 0))
        return enter_heeding(context);
    put_on_top(context, nook__current_get());
    return 0;
}

static __attribute__((noinline)) int exit_anywhere(nook_context *context)
{
    if (context == NULL)
        return NOOK_EINVAL;
    if (!nook__context_is_entered(context))
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

static __attribute__((noinline)) int exit_heeding(nook_context *context, uint32_t number)
{
    set_turn(context, number + IN);
    return exit_anywhere(context);
}

int nook_context_exit(nook_context *context)
{
    uint32_t number = nook__number_get();
    if (__builtin_expect(context == NULL || nook__current_get() != context ||
                             turn_of(context) != number + IN,
                         0))
        return exit_anywhere(context);
    set_turn(context, number + TURNING);
    if (__builtin_expect((look(context) | nook__attention_get()) != 0, 0))
        return exit_heeding(context, number);
    nook_context *below = context->prev;
    set_turn(context, number + OUT);
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
        int entered = nook__context_is_entered(state);
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
