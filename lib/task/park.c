/* SPDX-License-Identifier: MIT */
/*
 * Parking, waking, and the step of a worker.
 *
 * Once its wait is registered anybody may wake a task. One that stays with its worker
 * registers it itself, and then leaves: whoever wakes it meanwhile puts it into a queue or an
 * inbox of that worker, which cannot resume it before it has left. One that roams may be
 * resumed elsewhere: it leaves its stack with the wait that it wants, and the next stack that
 * runs on the worker registers that. So it is at the first park, where what the task is moves,
 * and where nobody is next but the worker itself. A wait is over once, because waking clears
 * it.
 *
 * A task that has ended tells those who wait for it, still on its stack, where tasks may
 * switch to each other; so it finds one of them ready, and goes straight on there. The
 * next stack buries it: takes its stack back.
 */
#include "base/probe.h"
#include "contextlocal/keep.h"
#include "room.h"

#include <errno.h>
#include <stdlib.h>

/* --- which worker runs here ----------------------------------------------- */

__attribute__((used)) __thread struct nook__worker *nook__here_word;

#if !NOOK__WORD_ASM
__attribute__((noinline)) struct nook__worker **nook__here_address(void)
{
    return NOOK__WORD_ADDRESS_OF(nook__here_word);
}
#endif

/* As any thread-local's: compilers keep its address, and a task may go on elsewhere. */
static __attribute__((noinline)) int *errno_address(void)
{
    int *address = &errno;
    __asm__ volatile("" : "+r"(address) : : "memory");
    return address;
}

nook_task *nook_task_current(void)
{
    struct nook__worker *worker = nook__here();
    struct nook__body *body = worker != NULL ? nook__current(worker) : NULL;
    return body != NULL ? body->task : NULL;
}

unsigned nook_worker_index(void)
{
    struct nook__worker *worker = nook__here();
    return worker != NULL ? worker->index : 0;
}

/* --- the switch ----------------------------------------------------------- */

static void commit(struct nook__worker *worker, struct nook__body *task,
                   struct nook__wait *wait);
static inline void register_wait(struct nook__run *run, struct nook__body *task,
                                 struct nook__wait *wait);
static void bury(struct nook__worker *worker, struct nook__body *task);

/* Where no tool wants to hear of it a switch does not look there. */
NOOK__FIBER struct nook__fiber *fiber_of(const struct nook__body *task)
{
    return NOOK__ASAN || NOOK__TSAN ? &task->life->fiber : NULL;
}

static int take_answer(struct nook__body *task)
{
    nook__unmark(task, NOOK__ANSWERED);
    return task->life->answer;
}

/*
 * On the stack of a task that goes on, or begins, first of all there: who left for it is dealt
 * with. What it returns is for one that yielded, or has no frame [nook__park_off].
 */
static int land(void *arg)
{
    struct nook__worker *worker = arg;
    struct nook__body *task = nook__current(worker), *left = worker->left;
    /* Asked now: what is buried may call back, and that may park. */
    int answer = nook__is(task, NOOK__ANSWERED) ? take_answer(task) : 0;
    int yielded = atomic_load_explicit(&task->parks, memory_order_relaxed) % 2 == 0;
    nook__fiber_arrive(fiber_of(task));
    worker->left = NULL;
    if (left != NULL && worker->parking != NULL)
        commit(worker, left, worker->parking);
    else if (left != NULL)
        bury(worker, left);
    return yielded && nook__take_cancel(task->task) ? NOOK_ECANCELED : answer;
}

NOOK__UNINSTRUMENTED static void leave(struct nook__worker *worker, struct nook__body *task)
{
    nook__fiber_leave(fiber_of(task), &worker->fiber, 0);
    nook__switch(&task->event.sw, &worker->sw);
}

NOOK__UNINSTRUMENTED static void resume(struct nook__worker *worker, struct nook__body *task)
{
    nook__fiber_leave(&worker->fiber, fiber_of(task), 0);
    nook__switch_on(&worker->sw, &task->event.sw, land, worker);
    nook__fiber_arrive(&worker->fiber);
}

/* Nothing is left to be dealt with, but that AddressSanitizer hears of who arrives. */
NOOK__UNINSTRUMENTED static int pass_to(struct nook__worker *worker, struct nook__body *task,
                                        struct nook__body *next)
{
    nook__fiber_leave(fiber_of(task), fiber_of(next), 0);
    if (NOOK__ASAN)
        return nook__switch_on(&task->event.sw, &next->event.sw, land, worker);
    return nook__switch(&task->event.sw, &next->event.sw);
}

NOOK__UNINSTRUMENTED static void switch_to(struct nook__worker *worker, struct nook__body *task,
                                           struct nook__body *next)
{
    if (worker->left == NULL && !nook__is(next, NOOK__TO_CANCEL | NOOK__ANSWERED)) {
        (void)pass_to(worker, task, next);
        return;
    }
    nook__fiber_leave(fiber_of(task), fiber_of(next), 0);
    nook__switch_on(&task->event.sw, &next->event.sw, land, worker);
}

static int start(struct nook__worker *worker, struct nook__body *task,
                 struct nook__body *leaver);
static inline int unwanted(struct nook__body *task);

/* 1: the worker need not look round, nor for what others may take as well. */
static inline int undisturbed(const struct nook__worker *worker)
{
    return worker->run->direct && nook__turns(worker) < worker->due &&
           !nook__inbox_news(&worker->inbox);
}

/* Who is next, where the worker need do nothing else first, and neither who leaves (`asks`) nor
 * who is next asks for a closer look, but for what `may` says; it stays in the queue. */
static inline struct nook__body *straight_on(const struct nook__worker *worker,
                                             const struct nook__link *at, uint64_t turn,
                                             unsigned asks, unsigned may)
{
    struct nook__event *first = NOOK__CONTAINER(at->next, struct nook__event, link);
    if (turn >= atomic_load_explicit(&worker->straight, memory_order_relaxed) ||
        &first->link == at ||
        (asks | (atomic_load_explicit(&first->look, memory_order_relaxed) & ~may)) != 0 ||
        nook__watched())
        return NULL;
    return NOOK__CONTAINER(first, struct nook__body, event);
}

static inline struct nook__body *task_of(struct nook__event *event)
{
    return event != NULL && event->kind == NOOK__TASK
               ? NOOK__CONTAINER(event, struct nook__body, event)
               : NULL;
}

/* Out of the queue, to run. */
static inline void take(struct nook__worker *worker, struct nook__body *next)
{
    atomic_store_explicit(&next->event.ready, 0, memory_order_release);
    nook__queue_go(worker, &next->event.link);
}

/* What comes next, out of the queue and started, where that is a task; NULL where the worker
 * is due. `leaver`: who has ended, and whose stack a new one may have; NULL: nobody. */
static __attribute__((noinline)) struct nook__body *look_for(struct nook__worker *worker,
                                                             struct nook__body *leaver)
{
    struct nook__body *task = undisturbed(worker) ? task_of(nook__queue_next(worker)) : NULL;
    if (task == NULL ||
        (!nook__started(task) && (unwanted(task) || start(worker, task, leaver) != 0)))
        return NULL;
    nook__unready(&task->event);
    nook__queue_go(worker, &task->event.link);
    return task;
}

/* The same, and mostly that takes no looking. */
static inline struct nook__body *successor(struct nook__worker *worker, unsigned asks,
                                           struct nook__body *leaver)
{
    struct nook__body *next =
        straight_on(worker, worker->at, nook__turns(worker), asks, NOOK__NEW);
    if (next == NULL)
        return look_for(worker, leaver);
    if (!nook__started(next) && start(worker, next, leaver) != 0)
        return NULL;
    take(worker, next);
    return next;
}

static inline void count_park(struct nook__body *task, int is_yield)
{
    uint64_t parks = atomic_load_explicit(&task->parks, memory_order_relaxed);
    atomic_store_explicit(&task->parks, (parks | 1) + (is_yield ? 1 : 2), memory_order_relaxed);
}

/* One that carries a mask takes it off meanwhile, here, where the worker pays nothing. */
static __attribute__((noinline)) int park_unusual(struct nook__body *task,
                                                  struct nook__wait *wait)
{
    if (task->life->ending)
        return nook__no_task();
    nook__unmark(task, NOOK__UNUSUAL);
    struct nook__mask *mask = task->life->mask;
    nook_task *it = task->task;
    nook__mask_off(mask);
    int rc = nook__park(wait);
    nook__mask_on(mask);
    task = it->body; /* it may have moved */
    nook__mark(task, NOOK__UNUSUAL);
    return rc;
}

static inline void note_park(struct nook__body *task, const struct nook__wait *wait)
{
    (void)wait; /* where there are no probes */
    count_park(task, 0);
    NOOK__PROBE3(task_park, task->id, wait->kind, wait->caller);
}

/* 1: it may register its wait itself: whoever wakes it cannot resume it while its worker is
 * here. At its first park it moves, which is for who comes next. */
static inline int registers_itself(const struct nook__body *task)
{
    return task->life->seated && nook__stays(&task->event);
}

static inline int park_result(struct nook__body *task, struct nook__wait *wait)
{
    nook__take_over(wait);
    if (nook__is(task, NOOK__TO_CANCEL) && wait->empty &&
        (wait->result == 0 || wait->result == NOOK_ETIMEDOUT) && nook__take_cancel(task->task))
        return NOOK_ECANCELED;
    return wait->result;
}

/* Off its stack, to `next`, which is out of the queue. */
static inline void go_on(struct nook__worker *worker, struct nook__body *task,
                         struct nook__body *next, struct nook__wait *wait)
{
    NOOK__PROBE2(task_switch, task->id, next->id);
    task->chain = nook__state_swap(next->chain);
    if (registers_itself(task)) {
        nook__lock(worker->run);
        register_wait(worker->run, task, wait);
        nook__unlock(worker->run);
    } else {
        worker->parking = wait;
        worker->left = task;
    }
    nook__turn(worker, next);
    switch_to(worker, task, next);
}

int nook__park(struct nook__wait *wait)
{
    struct nook__worker *worker = nook__here();
    struct nook__body *task = worker != NULL ? nook__current(worker) : NULL;
    if (task == NULL)
        return nook__no_task();
    unsigned asks = atomic_load_explicit(&task->event.look, memory_order_relaxed);
    if (__builtin_expect(asks & NOOK__UNUSUAL, 0))
        return park_unusual(task, wait);
    struct nook__body *next = successor(worker, asks, NULL);
    nook_task *it = task->task;
    note_park(task, wait);
    if (next != NULL) {
        go_on(worker, task, next, wait);
    } else {
        worker->parking = wait;
        NOOK__PROBE2(task_switch, task->id, UINT64_C(0));
        leave(worker, task);
    }
    return park_result(it->body, wait); /* it may have moved */
}

struct nook__body *nook__park_next(struct nook__worker *worker, struct nook__body *task)
{
    unsigned asks = atomic_load_explicit(&task->event.look, memory_order_relaxed);
    return straight_on(worker, &task->event.link, nook__turns(worker), asks, 0);
}

static inline int turn_off(struct nook__worker *worker, struct nook__body *task,
                           struct nook__body *next, struct nook__wait *wait)
{
    nook__turn(worker, next);
    int rc = pass_to(worker, task, next);
    nook__take_over(wait);
    return rc;
}

/* Apart: the other has nothing to save for a call. */
static __attribute__((noinline)) int unlock_and_turn_off(struct nook__worker *worker,
                                                         struct nook__body *task,
                                                         struct nook__body *next,
                                                         struct nook__wait *wait)
{
    nook__unlock(worker->run);
    return turn_off(worker, task, next, wait);
}

/*
 * Nothing is left to be done behind the switch, which returns to the caller's caller: a task
 * that was there before has other callers, and each frame less is one return that
 * the processor does not predict wrongly.
 */
int nook__park_off(struct nook__worker *worker, struct nook__body *task,
                   struct nook__body *next, struct nook__wait *wait)
{
    take(worker, next);
    note_park(task, wait);
    NOOK__PROBE2(task_switch, task->id, next->id);
    task->chain = nook__current_swap(next->chain);
    return worker->run->solo ? turn_off(worker, task, next, wait)
                             : unlock_and_turn_off(worker, task, next, wait);
}

/* --- a task's life on its stack ------------------------------------------- */

/* Leaves what the task has entered; its own context was never entered. */
static void leave_context(struct nook__body *task)
{
    nook_context *context;
    while ((context = nook__current_get()) != NULL && context != task->context)
        if (nook_context_exit(context) != 0)
            break;
}

static __attribute__((noinline)) void run_ends(struct nook__body *task)
{
    struct nook__at_end *first;
    while ((first = task->life->ends) != NULL) {
        task->life->ends = first->next;
        leave_context(task);
        first->fn(first->user);
        free(first);
    }
    leave_context(task);
}

static void live(nook_task *it)
{
    struct nook__body *task = it->body;
    nook__take_over(it); /* from who spawned it */
    int result = task->fn(task->arg);
    task = it->body; /* it may have moved */
    task->result = result;
    task->life->ending = 1;
    nook__mark(task, NOOK__UNUSUAL);
    if (task->life->ends != NULL || nook__current_get() != task->context)
        run_ends(task);
    nook__hand_over(it);
}

/* To its own context: one is the chain's, which a task has not left when it ends. */
enum { OWN_REFS = 2 };
NOOK__INLINED nook_context *end(struct nook__worker *worker, struct nook__body *task);

/* Its copy goes to who is next, where that is of the same origin: nobody counts then. */
static void drop_copy(nook_context *copy, const struct nook__body *next)
{
    if (copy == NULL)
        return;
    if (next == NULL || !nook__context_give_to(copy, next->chain))
        nook__context_drop(copy, OWN_REFS);
    else if (copy->lodges)
        nook__room_context_left(copy);
    else
        nook__context_end(copy);
}

/*
 * Ends on its own stack, which then nobody needs. In no task, and in the worker's own
 * context, as on the worker's stack. Returns who is next, or NULL where the worker itself is.
 */
static struct nook__body *end_here(struct nook__worker *worker, struct nook__body *task)
{
    nook_task *it = task->task;
    nook__running_set(worker, NULL);
    task->chain = nook__state_swap(worker->own);
    nook_context *copy = end(worker, task);
    task = it->body;
    struct nook__body *next = nook__lost() == NULL ? successor(worker, 0, task) : NULL;
    drop_copy(copy, next);
    worker->own = nook__state_swap(next != NULL ? next->chain : NULL);
    nook__turn(worker, next != NULL ? next : task);
    return next;
}

/*
 * One task after another, while each finds a new one next, and that one comes to this stack.
 */
NOOK__UNINSTRUMENTED static struct nook__exit entry(void *arg)
{
    nook_task *it = arg;
    for (;;) {
        struct nook__body *next = NULL;
        live(it);
        struct nook__worker *worker = nook__here();
        if (worker == NULL)
            worker = nook__lost();
        else if (worker->run->direct)
            next = end_here(worker, it->body);
        struct nook__body *task = it->body; /* not where it was, if it has ended */
        worker->parking = NULL;
        NOOK__PROBE2(task_switch, task->id, next != NULL ? next->id : UINT64_C(0));
        if (next == NULL) {
            nook__fiber_leave(fiber_of(task), &worker->fiber, 1);
            return (struct nook__exit){&worker->sw, NULL};
        }
        if (nook__has_life(task)) {
            worker->left = task;
            nook__fiber_leave(fiber_of(task), fiber_of(next), 1);
            return (struct nook__exit){&next->event.sw, worker};
        }
        nook__switch_renew();
        it = next->task;
        bury(worker, task);
    }
}

/* --- a worker's step ------------------------------------------------------ */

/* So that what a task uses of it can be told. */
static __attribute__((noinline)) void clear_stack(struct nook__life *life)
{
    struct nook__stack stack = life->stack;
    struct nook__stacks *stacks = life->stacks;
    nook__stack_clear(&stack);
    nook__life_new(life, stacks, &stack);
}

/* A stack of its own, prepared. */
static int seat(struct nook__worker *worker, struct nook__body *task, struct nook__life **out)
{
    struct nook__life *life;
    if (task->stacks == NULL) /* it came from a thread that could not ask for them */
        return NOOK_ENOMEM;
    int rc = nook__spare_stack_get(worker, task->stacks, &life);
    if (rc != 0)
        return rc;
    if (worker->run->watch.measure_stacks)
        clear_stack(life);
    rc =
        nook__switch_prepare(&task->event.sw, life->stack.low,
                             (size_t)((char *)life - life->stack.low), entry, land, task->task);
    if (rc != 0) {
        nook__spare_stack_put(worker, life);
        return rc;
    }
    nook__fiber_new(&life->fiber, life->stack.low, life->stack.size);
    *out = life;
    return 0;
}

/* 1: the end of the stack is nobody's any more, and tools need not be told who runs on it. */
static inline int may_follow(const struct nook__worker *worker, const struct nook__body *task,
                             struct nook__body *leaver)
{
    struct nook__life *life = leaver->life;
    return !NOOK__TSAN && !worker->spares.watched && !life->seated &&
           life->stacks == task->stacks;
}

static int start(struct nook__worker *worker, struct nook__body *task,
                 struct nook__body *leaver)
{
    struct nook__life *life;
    if (leaver != NULL && may_follow(worker, task, leaver)) {
        life = leaver->life;
        nook__life_over(leaver);
    } else {
        int rc = seat(worker, task, &life);
        if (rc != 0)
            return rc;
    }
    nook__life_begin(life);
    if (task->event.link.next != worker->at) /* mostly a task that has not run either */
        nook__room_expect(
            NOOK__CONTAINER(task->event.link.next, struct nook__room, body.event));
    nook__fiber_name(&life->fiber, task->name);
    nook__unmark(task, NOOK__NEW);
    NOOK__PROBE2(task_start, task->id, &task->name[0]);
    atomic_store_explicit(&task->life, life, memory_order_release);
    return 0;
}

/* Returns who came back: tasks switch to each other meanwhile. NULL in a child. */
static struct nook__body *carry(struct nook__worker *worker, struct nook__body *task)
{
    struct nook__run *run = worker->run;
    worker->own = nook_state_swap(task->chain);
    nook__running_set(worker, task);
    nook__queue_hand(worker, &task->event.link);
    if (run->hooks.in != NULL)
        run->hooks.in(task->task, run->hooks.user);
    if (run->save_errno)
        *errno_address() = task->life->saved_errno;
    NOOK__PROBE2(task_switch, UINT64_C(0), task->id);
    resume(worker, task);
    task = nook__current(worker);
    nook__queue_hand(worker, &worker->queue);
    if (nook__lost() != NULL) {
        task->chain = nook_state_swap(worker->own);
        return NULL;
    }
    if (run->save_errno)
        task->life->saved_errno = *errno_address();
    if (run->hooks.out != NULL)
        run->hooks.out(task->task, run->hooks.user);
    nook__running_set(worker, NULL);
    task->chain = nook_state_swap(worker->own);
    return task;
}

/* 1: it waits now. */
static inline int begin(struct nook__wait *wait, struct nook__body *task)
{
    if (wait->begin == NULL || (wait->over != NULL && wait->over(wait)) ||
        !wait->begin(wait, task->task))
        return 0;
    task->life->wait = wait;
    return 1;
}

/* A request that came before the wait: it ends the wait, or goes on to who is waited for. */
static void begin_cancelled(struct nook__body *task, struct nook__wait *wait)
{
    nook__unmark(task, NOOK__TO_CANCEL);
    if (!nook__breaking(task->run) && wait->next != NULL && begin(wait, task)) {
        nook__pass_on(task->task);
        return;
    }
    wait->result = NOOK_ECANCELED;
    nook__mark(task, NOOK__TOLD);
    nook__hand_over(wait);
    nook__ready(task->run, &task->event);
}

/* From here on the task may be woken. Where its wait is over at once it is ready, and may be
 * that already. Under the lock. */
static inline void register_wait(struct nook__run *run, struct nook__body *task,
                                 struct nook__wait *wait)
{
    if ((nook__is(task, NOOK__TO_CANCEL) || nook__breaking(run)) && wait->undo != NULL)
        begin_cancelled(task, wait);
    else if (!begin(wait, task) && !task->event.ready)
        nook__ready(run, &task->event);
}

/*
 * At its first park, since most tasks that never park end soon: what it is goes to the end of
 * its stack, with its context, and where it was made is free.
 */
static __attribute__((noinline)) struct nook__body *settle(struct nook__body *made)
{
    struct nook__room *room = &NOOK__CONTAINER(made->life, struct nook__seat, life)->room;
    nook__room_furnish(room, made);
    nook__room_move(nook__room_of(made), room);
    nook__watchdog_pass(made->run);
    nook__room_leave(nook__room_of(made), 1);
    return &room->body;
}

/* By who comes next, or by one that registers itself. */
static void commit(struct nook__worker *worker, struct nook__body *task,
                   struct nook__wait *wait)
{
    struct nook__run *run = worker->run;
    if (wait->begin == NULL && run->schedule == NULL && !nook__is(task, NOOK__TO_CANCEL) &&
        !nook__breaking(run)) {
        if (nook__stays(&task->event))
            nook__enqueue(worker, &task->event);
        else
            nook__queue_roaming(worker, &task->event);
        return;
    }
    nook__lock(run);
    if (!nook__settled(task))
        task = settle(task);
    register_wait(run, task, wait);
    nook__unlock(run);
}

/* Its group comes last: what that cancels stands behind those who waited. */
static void wake_joiners(struct nook__body *task)
{
    struct nook__joiner *group = NULL;
    while (!nook__list_empty(&task->joiners)) {
        struct nook__joiner *joiner =
            NOOK__CONTAINER(task->joiners.next, struct nook__joiner, link);
        nook__list_remove(&joiner->link);
        if (joiner == &nook__room_of(task)->member)
            group = joiner;
        else
            joiner->ended(joiner, task->task);
    }
    if (group != NULL)
        group->ended(group, task->task);
}

/*
 * Gives up the context, before anybody hears of the end. Where nothing but memory goes with
 * it, and there is no other worker to see it later, it is returned instead: the caller does.
 */
NOOK__INLINED nook_context *end_context(struct nook__run *run, struct nook__body *task)
{
    nook_context *context = nook__task_take_context(task->task);
    if (task->shared)
        nook__context_unkeep(context);
    unsigned refs = OWN_REFS;
    if (task->chain != context) {
        nook_state_drop(task->chain);
        refs = 1;
    }
    task->chain = NULL;
    if (run->watch.failed != NULL && nook__failure_keep(task->task, context))
        refs--;
    if (refs == OWN_REFS && run->solo && nook__context_goes_quietly(context, OWN_REFS))
        return context;
    if (refs > 0)
        nook__context_drop(context, refs);
    return NULL;
}

/*
 * Under the lock, and nobody who does not hold it finds it any more. Where somebody does, or
 * is to hear of its error, its body does not go with its stack.
 */
static __attribute__((noinline)) struct nook__body *outlive(struct nook__worker *worker,
                                                            struct nook__body *task)
{
    if (atomic_load_explicit(&task->task->refs, memory_order_relaxed) == 1 &&
        task->failed_in == NULL)
        return task;
    struct nook__room *room = nook__room_get(worker);
    if (room == NULL)
        return task;
    nook__room_move(nook__room_of(task), room);
    return &room->body;
}

/* The task has ended: gives up its context, but for what it returns, and tells who waits. */
NOOK__INLINED nook_context *end(struct nook__worker *worker, struct nook__body *task)
{
    struct nook__run *run = worker->run;
    worker->ending = 1;
    nook__take_over(task->task);
    int left = task->life->deadline != NULL && nook__deadlines_left(task->task, NULL);
    if (left || task->life->scope.depth > 0)
        task->result = NOOK_ESCOPE;
    nook_context *copy = end_context(run, task);
    if (run->hooks.end != NULL)
        run->hooks.end(task->task, run->hooks.user);
    worker->ending = 0;
    nook__lock(run);
    if (task->life->scope.depth > 0)
        (void)nook__groups_left(task->task, 0);
    NOOK__PROBE2(task_end, task->id, task->result);
    nook__list_remove(&task->all);
    if (nook__settled(task))
        task = outlive(worker, task);
    atomic_store_explicit(&task->task->done, 1, memory_order_release);
    wake_joiners(task);
    nook__loop_task_ended(run);
    if (task->awaited && --run->awaited == 0)
        nook__run_next_stage(run);
    nook__unlock(run);
    return copy;
}

/* The stack goes back, and with it the body that lies there, unless somebody holds that. */
static void leave_stack(struct nook__worker *worker, struct nook__body *task)
{
    struct nook__life *life = task->life;
    nook_task *it = task->task;
    if (nook__settled(task)) {
        if (atomic_load_explicit(&it->refs, memory_order_acquire) > 1 ||
            task->failed_in != NULL)
            return;
        it->body = NULL;
        free(task->text);
    } else {
        nook__life_over(task);
    }
    if (life->seated)
        nook__room_leave(&NOOK__CONTAINER(life, struct nook__seat, life)->room, 1);
    else
        nook__spare_stack_put(worker, life);
}

/* It has ended, and nobody is on its stack any more. */
static void bury(struct nook__worker *worker, struct nook__body *task)
{
    nook_task *it = task->task;
    nook__watchdog_pass(worker->run);
    nook__switch_discard(&task->event.sw);
    if (nook__has_life(task)) {
        nook__fiber_free(fiber_of(task));
        atomic_store_explicit(&task->life->stack_low, 0, memory_order_relaxed);
        leave_stack(worker, task);
    }
    nook__task_leave(it);
}

/* Without what is at its end. */
static size_t stack_used(const struct nook__body *task)
{
    const struct nook__stack *stack = &task->life->stack;
    return nook__stack_depth(stack, (const char *)nook__seat_of(stack));
}

static void finish(struct nook__worker *worker, struct nook__body *task)
{
    if (nook__started(task) && worker->run->watch.measure_stacks)
        nook__census_add(task->task, stack_used(task));
    nook_task *it = task->task;
    if (!nook_task_done(it))
        drop_copy(end(worker, task), NULL);
    bury(worker, it->body);
}

static __attribute__((noinline)) int unwanted_by_many(struct nook__body *task)
{
    nook__lock(task->run);
    int so = nook__is(task, NOOK__TO_CANCEL) || nook__breaking(task->run);
    nook__unlock(task->run);
    return so;
}

static inline int unwanted(struct nook__body *task)
{
    if (!task->run->solo)
        return unwanted_by_many(task);
    return nook__is(task, NOOK__TO_CANCEL) || nook__breaking(task->run);
}

/* It never runs. */
static void give_up(struct nook__worker *worker, struct nook__body *task, int result)
{
    task->result = result;
    nook__take_over(task->task); /* from who spawned it */
    if (task->discard != NULL)
        nook__call_in(task->context, task->discard, task->arg);
    if (nook__lost() == NULL)
        finish(worker, task);
}

static void run_task(struct nook__worker *worker, struct nook__body *task)
{
    struct nook__wait *wait;
    if (!nook__started(task)) {
        int rc = unwanted(task) ? NOOK_ECANCELED : start(worker, task, NULL);
        if (rc != 0) {
            give_up(worker, task, rc);
            return;
        }
    }
    worker->parking = NULL;
    task = carry(worker, task);
    if (task == NULL)
        return;
    wait = worker->parking;
    if (wait != NULL)
        commit(worker, task, wait);
    else
        finish(worker, task);
}

void nook__step(struct nook__worker *worker, struct nook__event *event)
{
    nook__turn(worker, NULL);
    atomic_store_explicit(&worker->busy, 1, memory_order_relaxed);
    if (event->kind == NOOK__TASK)
        run_task(worker, NOOK__CONTAINER(event, struct nook__body, event));
    else if (event->kind == NOOK__FAILURE)
        nook__failure_run(NOOK__CONTAINER(event, struct nook__body, event)->task);
    else
        nook__handle_run(NOOK__CONTAINER(event, nook_handle, event));
    atomic_store_explicit(&worker->busy, 0, memory_order_relaxed);
}

/* --- at once --------------------------------------------------------------- */

struct handing {
    struct nook__wait wait;
    nook_task *to;
};

/* Behind the new one, where that has not been taken yet, and before all others. */
static int begin_handing(struct nook__wait *wait, nook_task *task)
{
    struct nook__worker *worker = nook__here();
    struct nook__event *to = &NOOK__CONTAINER(wait, struct handing, wait)->to->body->event;
    int queued = to->ready;
    if (queued)
        nook__list_remove(&to->link);
    nook__urge(worker, &task->body->event);
    if (queued)
        nook__urge(worker, to);
    return 0;
}

static struct nook__body *urgent_at(const struct nook__worker *worker,
                                    const struct nook__link *link)
{
    if (link == worker->at)
        return NULL;
    struct nook__event *event = NOOK__CONTAINER(link, struct nook__event, link);
    return event->ready == NOOK__URGENT ? NOOK__CONTAINER(event, struct nook__body, event)
                                        : NULL;
}

/*
 * In a callback, whose stack is the worker's: it is due, so they all come back here. Where
 * it discards an eager task, that one's maker is urgent as well, and waits for the callback.
 */
static void run_urgent(struct nook__worker *worker, const struct nook__body *task)
{
    const struct nook__body *before = urgent_at(worker, task->event.link.next);
    uint64_t due = worker->due;
    struct nook__body *next;
    nook__due_now(worker);
    while (nook__lost() == NULL && (next = urgent_at(worker, worker->at->next)) != before) {
        nook__take(&next->event);
        nook__turn(worker, NULL);
        run_task(worker, next);
    }
    worker->due = due;
}

void nook__run_at_once(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    struct handing handing = {
        .wait = {.begin = begin_handing, .kind = "an eager task's first park"}, .to = task};
    if (nook__current(worker) != NULL)
        (void)nook__park(&handing.wait);
    else
        run_urgent(worker, task->body);
}

/* --- waking --------------------------------------------------------------- */

void nook__wake(nook_task *task, int result)
{
    struct nook__body *body = task->body;
    struct nook__life *life = body->life;
    struct nook__wait *wait = life->wait;
    wait->result = result;
    if (result != 0) {
        life->answer = result;
        nook__mark(body, NOOK__ANSWERED);
    }
    NOOK__PROBE2(task_wake, body->id, result);
    nook__hand_over(wait);
    life->wait = NULL;
    nook__ready(task->run, &body->event);
}

void nook__interrupt(nook_task *task)
{
    if (task->body->life->wait == NULL || task->body->life->wait->undo == NULL)
        return;
    task->body->life->wait->undo(task->body->life->wait, task);
    nook__mark(task->body, NOOK__TOLD);
    nook__wake(task, NOOK_ECANCELED);
}

/* --- yield, sleep, migrate ------------------------------------------------ */

static void nothing_to_undo(struct nook__wait *wait, nook_task *task)
{
    (void)wait;
    (void)task;
}

static __attribute__((noinline)) int yield_by_parking(void)
{
    struct nook__wait wait = {.undo = nothing_to_undo, .empty = 1};
    nook_task *task = nook_task_current();
    if (task != NULL && nook__is(task->body, NOOK__ROAMED) && nook__stays(&task->body->event))
        nook__unmark(task->body, NOOK__ROAMED);
    return nook__park(&wait);
}

/*
 * From task to task, where nothing else is to be done. It is ready before it has left its
 * stack: nobody but this worker takes from its queue, and the worker is in the switch. When it
 * came in, by `order`, matters to a ring that is not empty, and then it does not come here.
 * Who looks at it meanwhile finds what a task has that is ready, and a cancel finds that it
 * waits for nothing: that one remains to be delivered, to the next park or to this one, by
 * who resumes it.
 */
int nook_yield(void)
{
    struct nook__worker *worker = nook__here();
    struct nook__body *task = worker != NULL ? nook__current(worker) : NULL;
    if (__builtin_expect(task == NULL, 0))
        return yield_by_parking();
    uint64_t turn = nook__turns(worker);
    struct nook__body *next =
        straight_on(worker, &task->event.link, turn,
                    atomic_load_explicit(&task->event.look, memory_order_relaxed), 0);
    if (__builtin_expect(next == NULL, 0))
        return yield_by_parking();
    struct nook__event *first = &next->event;
    NOOK__PROBE3(task_park, task->id, UINT64_C(0), UINT64_C(0));
    NOOK__PROBE2(task_switch, task->id, next->id);
    /* The stacks of many tasks do not fit the nearest cache: that of the next but one. */
    __builtin_prefetch(NOOK__CONTAINER(first->link.next, struct nook__event, link)->sw.sp, 1);
    /* By the lines of the caches that they lie on: stores to one in a row are cheapest. */
    nook__turn_to(worker, next, turn + 1);
    worker->at = &first->link;
    atomic_store_explicit(&first->ready, 0, memory_order_release);
    nook_context *chain = nook__current_swap(next->chain);
    atomic_store_explicit(&task->event.ready, 1, memory_order_relaxed);
    count_park(task, 1);
    task->chain = chain;
    return pass_to(worker, task, next);
}

struct sleeper {
    struct nook__wait wait;
    struct nook__timer timer;
    nook_task *task;
    uint64_t ns;
};

static void wake_sleeper(struct nook__run *run, struct nook__timer *timer)
{
    (void)run;
    nook__wake(NOOK__CONTAINER(timer, struct sleeper, timer)->task, 0);
}

static int begin_sleep(struct nook__wait *wait, nook_task *task)
{
    struct sleeper *sleeper = NOOK__CONTAINER(wait, struct sleeper, wait);
    sleeper->task = task;
    wait->result = nook__timer_add(task->run, &sleeper->timer, sleeper->ns);
    return wait->result == 0;
}

static void undo_sleep(struct nook__wait *wait, nook_task *task)
{
    nook__timer_remove(task->run, &NOOK__CONTAINER(wait, struct sleeper, wait)->timer);
}

int nook_sleep(uint64_t ns)
{
    struct sleeper sleeper = {
        .wait = {.begin = begin_sleep, .undo = undo_sleep, .empty = 1, NOOK__WAITS("a time")},
        .timer = {.fire = wake_sleeper},
        .ns = ns};
    return ns == 0 ? nook_yield() : nook__park(&sleeper.wait);
}

struct move {
    struct nook__wait wait;
    unsigned worker;
};

/* Somebody may have come to share its context since it asked. */
static int begin_move(struct nook__wait *wait, nook_task *task)
{
    if (nook__stays(&task->body->event)) {
        wait->result = NOOK_ENOTSUP;
        return 0;
    }
    nook__home_set(&task->body->event,
                   NOOK__CONTAINER(wait, struct move, wait)->worker | NOOK__ROAMS);
    task->body->life->moved = 1;
    return 0;
}

int nook_task_migrate(unsigned worker)
{
    nook_task *task = nook_task_current();
    struct move move = {.wait = {.begin = begin_move, .undo = nothing_to_undo},
                        .worker = worker};
    if (task == NULL)
        return nook__no_task();
    if (worker == 0 || worker > task->run->n_workers)
        return NOOK_EINVAL;
    if (nook__stays(&task->body->event) || nook__context_is_entered(nook__current_get()))
        return NOOK_ENOTSUP;
    return nook__park(&move.wait);
}
