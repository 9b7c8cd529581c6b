/* SPDX-License-Identifier: MIT */
/*
 * Lock, event, condition, semaphore, barrier, queue: lists of waiters.
 *
 * Each call tries under the run's lock. Where that fails it joins the list before the lock is
 * given up, if the task may register its wait itself [park.c]; else the wait tries once more
 * when the stack has been left. Whoever makes room serves the first of the list and wakes it
 * with what it waited for, so there is nothing for a third to take in between, and nothing to
 * lose when it is cancelled after that.
 */
#include "run.h"

#include <nook/sync.h>
#include <stdlib.h>

/* What a call does that may have to wait. */
struct kind {
    /* MUST_WAIT, or what the call returns. Under the lock. */
    int (*attempt)(void *object, void *what);
    int (*begin)(struct nook__wait *wait, nook_task *task);
    void (*undo)(struct nook__wait *wait, nook_task *task);
    const char *name;
    size_t list; /* where in the object */
};
enum { MUST_WAIT = 1 };

/* What serving the first touches of it is one line of the caches, for it may come from afar. */
struct waiter {
    _Alignas(NOOK__LINE) struct waiter *next;
    nook_task *task;
    void *what; /* of a queue: the item, or where it goes; of a barrier: where a number goes */
    struct nook__wait wait; /* begins with its result */
    struct waiter *prev;
    nook_waiters *list;
    int (*attempt)(void *object, void *what);
    void *object;
};
_Static_assert(sizeof(struct waiter) <= NOOK__SLOT, "it fits into the slot of a life");

/* --- lists ------------------------------------------------------------------ */

static void append(struct waiter *waiter)
{
    nook_waiters *list = waiter->list;
    waiter->next = NULL;
    waiter->prev = list->nook__last;
    if (waiter->prev != NULL)
        waiter->prev->next = waiter;
    else
        list->nook__first = waiter;
    list->nook__last = waiter;
}

static void unlink_waiter(struct waiter *waiter)
{
    nook_waiters *list = waiter->list;
    if (waiter->prev != NULL)
        waiter->prev->next = waiter->next;
    else
        list->nook__first = waiter->next;
    if (waiter->next != NULL)
        waiter->next->prev = waiter->prev;
    else
        list->nook__last = waiter->prev;
}

/* Out of the list, if there is one. */
static inline struct waiter *take_first(nook_waiters *list)
{
    struct waiter *first = list->nook__first;
    if (first == NULL)
        return NULL;
    list->nook__first = first->next;
    if (first->next != NULL)
        first->next->prev = NULL;
    else
        list->nook__last = NULL;
    return first;
}

/* From here on a waiter may be gone, for on another worker who is woken goes on at once. */
static inline void wake(const struct waiter *waiter, int result)
{
    nook__wake(waiter->task, result);
}

/* 1: somebody waited, and does no longer. */
static int serve(nook_waiters *list, int result)
{
    const struct waiter *first = take_first(list);
    if (first == NULL)
        return 0;
    wake(first, result);
    return 1;
}

/* The list may go with the last of them. */
static void serve_all(nook_waiters *list, int result)
{
    struct waiter *waiter = list->nook__first, *next;
    list->nook__first = list->nook__last = NULL;
    for (; waiter != NULL; waiter = next) {
        next = waiter->next;
        wake(waiter, result);
    }
}

static struct waiter *waiter_of(struct nook__wait *wait)
{
    return NOOK__CONTAINER(wait, struct waiter, wait);
}

static int over(struct nook__wait *wait)
{
    struct waiter *waiter = waiter_of(wait);
    int rc = waiter->attempt(waiter->object, waiter->what);
    if (rc == MUST_WAIT)
        return 0;
    wait->result = rc;
    return 1;
}

static int begin(struct nook__wait *wait, nook_task *task)
{
    struct waiter *waiter = waiter_of(wait);
    waiter->task = task;
    append(waiter);
    return 1;
}

static void undo(struct nook__wait *wait, nook_task *task)
{
    (void)task;
    unlink_waiter(waiter_of(wait));
}

/* The run of the caller, with its lock held; NULL outside one. */
static inline struct nook__run *enter(void *object)
{
    struct nook__worker *worker = nook__here();
    if (worker == NULL)
        return NULL;
    nook__lock(worker->run);
    nook__take_over(object);
    return worker->run;
}

static inline void leave(struct nook__run *run, void *object)
{
    nook__hand_over(object);
    nook__unlock(run);
}

/* With all that one in the list needs. */
static inline void fill(struct waiter *waiter, const struct kind *kind, void *object,
                        void *what, void *caller)
{
    *waiter =
        (struct waiter){.what = what,
                        .wait = {.undo = kind->undo, .kind = kind->name, .caller = caller},
                        .list = (void *)((char *)object + kind->list)};
}

static __attribute__((noinline)) int wait_in_frame(struct nook__run *run,
                                                   const struct kind *kind, void *object,
                                                   void *what, void *caller)
{
    struct waiter waiter;
    fill(&waiter, kind, object, what, caller);
    waiter.wait.over = over;
    waiter.wait.begin = kind->begin;
    waiter.attempt = kind->attempt;
    waiter.object = object;
    leave(run, object);
    return nook__park(&waiter.wait);
}

/* Under the lock, which it gives up, of what has just been tried. */
static __attribute__((noinline)) int wait_for(const struct kind *kind, void *object, void *what,
                                              void *caller)
{
    struct nook__worker *worker = nook__here();
    struct nook__body *task = nook__current(worker), *next = nook__park_next(worker, task);
    struct nook__life *life = task->life;
    if (next == NULL || !life->seated || kind->begin != begin)
        return wait_in_frame(worker->run, kind, object, what, caller);
    struct waiter *waiter = (void *)life->slot;
    fill(waiter, kind, object, what, caller);
    (void)begin(&waiter->wait, task->task);
    life->wait = &waiter->wait;
    nook__hand_over(object);
    return nook__park_off(worker, task, next, &waiter->wait);
}

static __attribute__((noinline)) int obtain_locked(struct nook__run *run,
                                                   const struct kind *kind, void *object,
                                                   void *what, void *caller)
{
    nook__lock(run);
    nook__take_over(object);
    int rc = kind->attempt(object, what);
    if (rc == MUST_WAIT)
        return wait_for(kind, object, what, caller);
    leave(run, object);
    return rc;
}

/*
 * Tries, and waits where that fails. Part of the public function, whose caller is kept. Where
 * nobody takes the lock nothing is called in between, so nothing is saved for that.
 */
NOOK__INLINED int obtain(const struct kind *kind, void *object, void *what)
{
    struct nook__worker *worker = nook__here();
    if (worker == NULL || nook__current(worker) == NULL)
        return nook__no_task();
    if (!worker->run->solo)
        return obtain_locked(worker->run, kind, object, what, NOOK__CALLER);
    nook__take_over(object);
    int rc = kind->attempt(object, what);
    if (rc == MUST_WAIT)
        return wait_for(kind, object, what, NOOK__CALLER);
    nook__hand_over(object);
    return rc;
}

/* One attempt; `busy` where it would have to wait. */
NOOK__INLINED int try(const struct kind *kind, void *object, void *what, int busy)
{
    struct nook__run *run = enter(object);
    if (run == NULL)
        return nook__no_task();
    int rc = kind->attempt(object, what);
    leave(run, object);
    return rc == MUST_WAIT ? busy : rc;
}

/* --- lock ------------------------------------------------------------------- */

static int attempt_lock(void *object, void *what)
{
    nook_lock *lock = object;
    (void)what;
    if (lock->nook__locked)
        return MUST_WAIT;
    lock->nook__locked = 1;
    return 0;
}

static const struct kind a_lock = {attempt_lock, begin, undo, "a lock",
                                   offsetof(nook_lock, nook__waiters)};

static void release(nook_lock *lock)
{
    if (!serve(&lock->nook__waiters, 0))
        lock->nook__locked = 0;
}

int nook_lock_acquire(nook_lock *lock)
{
    return lock != NULL ? obtain(&a_lock, lock, NULL) : NOOK_EINVAL;
}

int nook_lock_try(nook_lock *lock)
{
    return lock != NULL ? try(&a_lock, lock, NULL, NOOK_EBUSY) : NOOK_EINVAL;
}

int nook_lock_release(nook_lock *lock)
{
    if (lock == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(lock);
    if (run == NULL)
        return nook__no_task();
    int rc = lock->nook__locked ? 0 : NOOK_EPERM;
    if (rc == 0)
        release(lock);
    leave(run, lock);
    return rc;
}

int nook_lock_locked(const nook_lock *lock)
{
    return lock != NULL && lock->nook__locked;
}

nook_lock *nook_lock_enter(nook_lock *lock)
{
    return nook_lock_acquire(lock) == 0 ? lock : NULL;
}

void nook_lock_leave(nook_lock **held)
{
    if (*held != NULL)
        (void)nook_lock_release(*held);
    *held = NULL;
}

/* --- event ------------------------------------------------------------------ */

static int attempt_event(void *object, void *what)
{
    (void)what;
    return ((nook_event *)object)->nook__set ? 0 : MUST_WAIT;
}

static const struct kind an_event = {attempt_event, begin, undo, "an event",
                                     offsetof(nook_event, nook__waiters)};

void nook__event_set(nook_event *event)
{
    nook__take_over(event);
    event->nook__set = 1;
    serve_all(&event->nook__waiters, 0);
    nook__hand_over(event);
}

int nook_event_set(nook_event *event)
{
    if (event == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(event);
    if (run == NULL)
        return nook__no_task();
    nook__event_set(event);
    leave(run, event);
    return 0;
}

int nook_event_clear(nook_event *event)
{
    if (event == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(event);
    if (run == NULL)
        return nook__no_task();
    event->nook__set = 0;
    leave(run, event);
    return 0;
}

int nook_event_is_set(const nook_event *event)
{
    return event != NULL && event->nook__set;
}

int nook_event_wait(nook_event *event)
{
    return event != NULL ? obtain(&an_event, event, NULL) : NOOK_EINVAL;
}

/* --- condition -------------------------------------------------------------- */

/* The lock goes only when the wait is in the list, so no notify is missed. */
static int begin_condition(struct nook__wait *wait, nook_task *task)
{
    struct waiter *waiter = waiter_of(wait);
    nook_condition *condition = waiter->object;
    if (!condition->lock->nook__locked) {
        wait->result = NOOK_EPERM;
        return 0;
    }
    waiter->what = condition; /* it has let the lock go */
    release(condition->lock);
    return begin(wait, task);
}

/* As asyncio: a cancel meanwhile is remembered, not obeyed, unless every park answers so. */
static int acquire_again(nook_lock *lock, int rc)
{
    int got;
    while ((got = nook_lock_acquire(lock)) == NOOK_ECANCELED) {
        rc = got;
        if (nook__breaking(nook__here()->run))
            break;
    }
    return got < 0 && got != NOOK_ECANCELED ? got : rc;
}

int nook_condition_wait(nook_condition *condition)
{
    if (condition == NULL || condition->lock == NULL)
        return NOOK_EINVAL;
    struct waiter waiter = {
        .wait = {.begin = begin_condition, .undo = undo, NOOK__WAITS("a condition")},
        .list = &condition->nook__waiters,
        .object = condition};
    int rc = nook__park(&waiter.wait);
    return waiter.what != NULL ? acquire_again(condition->lock, rc) : rc;
}

int nook_condition_wait_for(nook_condition *condition, int (*predicate)(void *arg), void *arg)
{
    if (condition == NULL || condition->lock == NULL || predicate == NULL)
        return NOOK_EINVAL;
    int rc = 0;
    while (rc == 0 && !predicate(arg))
        rc = nook_condition_wait(condition);
    return rc;
}

int nook_condition_notify(nook_condition *condition, size_t n)
{
    if (condition == NULL || condition->lock == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(condition);
    if (run == NULL)
        return nook__no_task();
    int rc = condition->lock->nook__locked ? 0 : NOOK_EPERM;
    while (rc == 0 && n-- > 0 && serve(&condition->nook__waiters, 0))
        continue;
    leave(run, condition);
    return rc;
}

int nook_condition_notify_all(nook_condition *condition)
{
    return nook_condition_notify(condition, SIZE_MAX);
}

/* --- semaphore -------------------------------------------------------------- */

/* While somebody waits the value is 0: what is given back is handed over. */
static int attempt_semaphore(void *object, void *what)
{
    nook_semaphore *semaphore = object;
    (void)what;
    if (semaphore->value == 0)
        return MUST_WAIT;
    semaphore->value--;
    return 0;
}

static const struct kind a_semaphore = {attempt_semaphore, begin, undo, "a semaphore",
                                        offsetof(nook_semaphore, nook__waiters)};

int nook_semaphore_acquire(nook_semaphore *semaphore)
{
    if (semaphore == NULL)
        return NOOK_EINVAL;
    return obtain(&a_semaphore, semaphore, NULL);
}

int nook_semaphore_try(nook_semaphore *semaphore)
{
    if (semaphore == NULL)
        return NOOK_EINVAL;
    return try(&a_semaphore, semaphore, NULL, NOOK_EBUSY);
}

int nook_semaphore_release(nook_semaphore *semaphore)
{
    if (semaphore == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(semaphore);
    if (run == NULL)
        return nook__no_task();
    int full = semaphore->bound != 0 && semaphore->value >= semaphore->bound;
    if (!full && !serve(&semaphore->nook__waiters, 0))
        semaphore->value++;
    leave(run, semaphore);
    return full ? NOOK_ERANGE : 0;
}

int nook_semaphore_locked(const nook_semaphore *semaphore)
{
    return semaphore != NULL && semaphore->value == 0;
}

/* --- barrier ---------------------------------------------------------------- */

static void open_barrier(nook_barrier *barrier, int result)
{
    barrier->nook__waiting = 0;
    serve_all(&barrier->nook__waiters, result);
}

/* Numbers are given by the order of those who wait now: who was cancelled gave its back. */
static int attempt_barrier(void *object, void *what)
{
    nook_barrier *barrier = object;
    if (barrier->nook__broken)
        return NOOK_EBROKEN;
    if (barrier->nook__waiting + 1 < barrier->parties)
        return MUST_WAIT;
    size_t number = 0;
    for (struct waiter *w = barrier->nook__waiters.nook__first; w != NULL; w = w->next)
        *(size_t *)w->what = number++;
    *(size_t *)what = number;
    open_barrier(barrier, 0);
    return 0;
}

static int begin_barrier(struct nook__wait *wait, nook_task *task)
{
    ((nook_barrier *)waiter_of(wait)->object)->nook__waiting++;
    return begin(wait, task);
}

static void undo_barrier(struct nook__wait *wait, nook_task *task)
{
    undo(wait, task);
    ((nook_barrier *)waiter_of(wait)->object)->nook__waiting--;
}

static const struct kind a_barrier = {attempt_barrier, begin_barrier, undo_barrier, "a barrier",
                                      offsetof(nook_barrier, nook__waiters)};

int nook_barrier_wait(nook_barrier *barrier, size_t *index)
{
    if (barrier == NULL || barrier->parties == 0)
        return NOOK_EINVAL;
    size_t number = 0;
    int rc = obtain(&a_barrier, barrier, &number);
    if (rc == 0 && index != NULL)
        *index = number;
    return rc;
}

static int end_barrier(nook_barrier *barrier, int broken)
{
    if (barrier == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(barrier);
    if (run == NULL)
        return nook__no_task();
    barrier->nook__broken = broken;
    open_barrier(barrier, NOOK_EBROKEN);
    leave(run, barrier);
    return 0;
}

int nook_barrier_reset(nook_barrier *barrier)
{
    return end_barrier(barrier, 0);
}

int nook_barrier_abort(nook_barrier *barrier)
{
    return end_barrier(barrier, 1);
}

size_t nook_barrier_waiting(const nook_barrier *barrier)
{
    return barrier != NULL ? barrier->nook__waiting : 0;
}

int nook_barrier_broken(const nook_barrier *barrier)
{
    return barrier != NULL && barrier->nook__broken;
}

/* --- queue ------------------------------------------------------------------ */

/*
 * Invariant: somebody waits to get only while the queue is empty, and to put only
 * while it is full.
 */
struct nook_queue {
    void **items; /* a ring */
    size_t room, first, len;
    size_t capacity; /* 0: none */
    size_t unfinished;
    int closed;
    nook_waiters getters, putters, joiners;
};

int nook_queue_new(nook_queue **out, size_t capacity)
{
    if (out == NULL)
        return NOOK_EINVAL;
    nook_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return NOOK_ENOMEM;
    queue->capacity = capacity;
    *out = queue;
    return 0;
}

void nook_queue_free(nook_queue *queue)
{
    if (queue == NULL)
        return;
    free(queue->items);
    free(queue);
}

static int grow(nook_queue *queue)
{
    size_t room = queue->room == 0 ? 8 : queue->room * 2;
    if (queue->capacity != 0 && room > queue->capacity)
        room = queue->capacity;
    void **items = room > queue->room ? calloc(room, sizeof(*items)) : NULL;
    if (items == NULL)
        return NOOK_ENOMEM;
    for (size_t i = 0; i < queue->len; i++)
        items[i] = queue->items[(queue->first + i) % queue->room];
    free(queue->items);
    queue->items = items;
    queue->room = room;
    queue->first = 0;
    return 0;
}

static int push(nook_queue *queue, void *item)
{
    if (queue->len == queue->room && grow(queue) != 0)
        return NOOK_ENOMEM;
    size_t at = queue->first + queue->len++;
    queue->items[at < queue->room ? at : at - queue->room] = item;
    return 0;
}

static void *pull(nook_queue *queue)
{
    void *item = queue->items[queue->first];
    queue->first = queue->first + 1 < queue->room ? queue->first + 1 : 0;
    queue->len--;
    return item;
}

static int attempt_put(void *object, void *item)
{
    nook_queue *queue = object;
    struct waiter *getter = take_first(&queue->getters);
    if (getter != NULL) {
        *(void **)getter->what = item;
        queue->unfinished++;
        wake(getter, 0);
        return 0;
    }
    if (queue->closed)
        return NOOK_ECLOSED;
    if (queue->capacity != 0 && queue->len == queue->capacity)
        return MUST_WAIT;
    int rc = push(queue, item);
    queue->unfinished += rc == 0;
    return rc;
}

/* *item is set where it returns 0; or by who puts one, where it has waited. */
static int attempt_get(void *object, void *item)
{
    nook_queue *queue = object;
    if (queue->len == 0)
        return queue->closed ? NOOK_ECLOSED : MUST_WAIT;
    *(void **)item = pull(queue);
    struct waiter *putter = take_first(&queue->putters);
    if (putter != NULL) {
        (void)push(queue, putter->what); /* there is room: one was just taken */
        queue->unfinished++;
        wake(putter, 0);
    }
    return 0;
}

static const struct kind room_in_a_queue = {attempt_put, begin, undo, "room in a queue",
                                            offsetof(nook_queue, putters)};
static const struct kind an_item = {attempt_get, begin, undo, "an item in a queue",
                                    offsetof(nook_queue, getters)};

int nook_queue_put(nook_queue *queue, void *item)
{
    return queue != NULL ? obtain(&room_in_a_queue, queue, item) : NOOK_EINVAL;
}

int nook_queue_try_put(nook_queue *queue, void *item)
{
    return queue != NULL ? try(&room_in_a_queue, queue, item, NOOK_EAGAIN) : NOOK_EINVAL;
}

int nook_queue_get(nook_queue *queue, void **item)
{
    if (queue == NULL || item == NULL)
        return NOOK_EINVAL;
    return obtain(&an_item, queue, item);
}

int nook_queue_try_get(nook_queue *queue, void **item)
{
    if (queue == NULL || item == NULL)
        return NOOK_EINVAL;
    return try(&an_item, queue, item, NOOK_EAGAIN);
}

int nook_queue_close(nook_queue *queue)
{
    if (queue == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(queue);
    if (run == NULL)
        return nook__no_task();
    queue->closed = 1;
    serve_all(queue->putters.nook__first != NULL ? &queue->putters : &queue->getters,
              NOOK_ECLOSED); /* one of them is empty */
    leave(run, queue);
    return 0;
}

size_t nook_queue_len(const nook_queue *queue)
{
    return queue != NULL ? queue->len : 0;
}

int nook_queue_task_done(nook_queue *queue)
{
    if (queue == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = enter(queue);
    if (run == NULL)
        return nook__no_task();
    int rc = queue->unfinished > 0 ? 0 : NOOK_ERANGE;
    if (rc == 0 && --queue->unfinished == 0)
        serve_all(&queue->joiners, 0);
    leave(run, queue);
    return rc;
}

static int attempt_join(void *object, void *what)
{
    (void)what;
    return ((nook_queue *)object)->unfinished == 0 ? 0 : MUST_WAIT;
}

static const struct kind all_done = {attempt_join, begin, undo, "the items of a queue",
                                     offsetof(nook_queue, joiners)};

int nook_queue_join(nook_queue *queue)
{
    return queue != NULL ? obtain(&all_done, queue, NULL) : NOOK_EINVAL;
}
