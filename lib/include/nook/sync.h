/* SPDX-License-Identifier: MIT */
/*
 * What tasks wait for each other with: asyncio's Lock, Event, Condition,
 * Semaphore, Barrier and Queue, under their own names.
 *
 * All of them live in the caller's storage, and all but the queue and what counts
 * start as zeroes. They serve the tasks of one run at a time, on all its workers.
 * Who waits longest is served first, and what is handed over is handed to one
 * task: nobody who comes later takes it first. A wait that is cancelled leaves no
 * trace, and one that was served before the cancel came has been served: the cancel
 * is delivered at the next park.
 *
 * Nothing here may be moved, or go away, while somebody waits. Unless a comment says
 * otherwise a call is for tasks (or callbacks) and does not park. Members are
 * private.
 */
#ifndef NOOK_SYNC_H
#define NOOK_SYNC_H

#include <nook/error.h>
#include <nook/export.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* Who waits, first come first. */
typedef struct nook_waiters {
    void *nook__first;
    void *nook__last;
} nook_waiters;

/* --- lock ------------------------------------------------------------------- */

/* A mutex; not recursive. `nook_lock lock = {0};` */
typedef struct nook_lock {
    nook_waiters nook__waiters;
    int nook__locked;
} nook_lock;

/*
 * Waits until the lock is free, and locks it. May park.
 * NOOK_ECANCELED: not locked. NOOK_EINVAL: NULL. NOOK_ENOTASK.
 */
NOOK_API NOOK_NODISCARD int nook_lock_acquire(nook_lock *lock);

/* Takes it if nobody has it. NOOK_EBUSY: somebody has. NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API NOOK_NODISCARD int nook_lock_try(nook_lock *lock);

/*
 * Hands it to who waits longest. Any task may, as in asyncio. NOOK_EPERM: it is not
 * locked. NOOK_EINVAL: NULL. NOOK_ENOTASK.
 */
NOOK_API int nook_lock_release(nook_lock *lock);

/* 1 while a task holds it, else 0. */
NOOK_API int nook_lock_locked(const nook_lock *lock);

/*
 *     NOOK_LOCKED (&lock) { ... }     `async with lock:`
 *
 * The block runs with the lock held, and does not run where the acquire failed;
 * every way out of it (not longjmp) releases.
 */
#define NOOK_LOCKED(lock) NOOK__LOCKED(lock, NOOK__SYNC_NAME(nook__locked_, __LINE__))
/* NOLINTBEGIN(bugprone-macro-parentheses): held is a name that is declared here */
#define NOOK__LOCKED(lock, held)                                                             \
    for (nook_lock * held __attribute__((cleanup(nook_lock_leave))) = nook_lock_enter(lock); \
         held != NULL; nook_lock_leave(&held))
/* NOLINTEND(bugprone-macro-parentheses) */
#define NOOK__SYNC_NAME(a, b) NOOK__SYNC_NAME2(a, b)
#define NOOK__SYNC_NAME2(a, b) a##b

/* What the block calls: the lock, or NULL where it is not held. */
NOOK_API nook_lock *nook_lock_enter(nook_lock *lock);
NOOK_API void nook_lock_leave(nook_lock **held);

/* --- event ------------------------------------------------------------------ */

/* A flag to wait for. `nook_event event = {0};` is clear. */
typedef struct nook_event {
    nook_waiters nook__waiters;
    int nook__set;
} nook_event;

/* Sets the flag and wakes all who wait. NOOK_EINVAL: NULL. NOOK_ENOTASK. */
NOOK_API int nook_event_set(nook_event *event);

/* NOOK_EINVAL: NULL. NOOK_ENOTASK. */
NOOK_API int nook_event_clear(nook_event *event);

/* 1 where it is set, else 0. */
NOOK_API int nook_event_is_set(const nook_event *event);

/*
 * Waits until it is set; does not park where it is. Who was woken by a set returns
 * 0 also where somebody has cleared it meanwhile.
 * NOOK_ECANCELED, NOOK_EINVAL, NOOK_ENOTASK.
 */
NOOK_API int nook_event_wait(nook_event *event);

/* --- condition -------------------------------------------------------------- */

/* `nook_condition condition = {.lock = &lock};` Tasks of one lock may have many. */
typedef struct nook_condition {
    nook_lock *lock; /* the caller's; it must be held for every call */
    nook_waiters nook__waiters;
} nook_condition;

/*
 * Releases the lock, waits for a notify, and takes the lock again, also where the
 * wait was cancelled: it is locked again whatever this returns, unless the run is
 * deadlocked. May park. NOOK_ECANCELED. NOOK_EPERM: the lock is not locked.
 * NOOK_EINVAL: condition or lock is NULL. NOOK_ENOTASK.
 */
NOOK_API int nook_condition_wait(nook_condition *condition);

/* Waits until predicate(arg) is not 0; asks before the first wait. Errors as above. */
NOOK_API int nook_condition_wait_for(nook_condition *condition, int (*predicate)(void *arg),
                                     void *arg);

/* Wakes the n who wait longest, or all. NOOK_EPERM, NOOK_EINVAL, NOOK_ENOTASK as above. */
NOOK_API int nook_condition_notify(nook_condition *condition, size_t n);
NOOK_API int nook_condition_notify_all(nook_condition *condition);

/* --- semaphore -------------------------------------------------------------- */

/* `nook_semaphore semaphore = {.value = 3};`, BoundedSemaphore with `.bound = 3` as well. */
typedef struct nook_semaphore {
    size_t value; /* to be set before the first use only */
    size_t bound; /* release beyond it is an error; 0: none */
    nook_waiters nook__waiters;
} nook_semaphore;

/* Takes one, or waits for one. May park. NOOK_ECANCELED, NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API NOOK_NODISCARD int nook_semaphore_acquire(nook_semaphore *semaphore);

/* Takes one. NOOK_EBUSY: there is none, or others wait. NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API NOOK_NODISCARD int nook_semaphore_try(nook_semaphore *semaphore);

/* Gives one back. NOOK_ERANGE: beyond the bound. NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API int nook_semaphore_release(nook_semaphore *semaphore);

/* 1 where an acquire would park, else 0. */
NOOK_API int nook_semaphore_locked(const nook_semaphore *semaphore);

/* --- barrier ---------------------------------------------------------------- */

/* `nook_barrier barrier = {.parties = 3};` It can be used again and again. */
typedef struct nook_barrier {
    size_t parties; /* at least 1; to be set before the first use only */
    nook_waiters nook__waiters;
    size_t nook__waiting;
    int nook__broken;
} nook_barrier;

/*
 * Waits until all parties are here. *index (may be NULL) gets a number from 0 to
 * parties - 1, another for each; the last to come gets parties - 1 and does not park.
 * A cancelled wait breaks nothing: the party is one that has not come yet.
 * NOOK_EBROKEN: the barrier is, or was meanwhile, reset or broken.
 * NOOK_ECANCELED. NOOK_EINVAL: NULL, or parties is 0. NOOK_ENOTASK.
 */
NOOK_API int nook_barrier_wait(nook_barrier *barrier, size_t *index);

/* Whoever waits gets NOOK_EBROKEN; the barrier is as new. NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API int nook_barrier_reset(nook_barrier *barrier);

/* The same, and it stays broken until a reset. NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API int nook_barrier_abort(nook_barrier *barrier);

NOOK_API size_t nook_barrier_waiting(const nook_barrier *barrier);
NOOK_API int nook_barrier_broken(const nook_barrier *barrier);

/* --- queue ------------------------------------------------------------------ */

/* A queue of pointers, first in, first out: asyncio.Queue, and a channel. Opaque. */
typedef struct nook_queue nook_queue;

/*
 * For at most `capacity` items; 0: as many as memory holds. *out goes back with
 * nook_queue_free. Any thread. NOOK_EINVAL: out is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_queue_new(nook_queue **out, size_t capacity);

/* Nobody may wait. What is left in it is the caller's business. NULL is ignored. */
NOOK_API void nook_queue_free(nook_queue *queue);

/*
 * Adds an item (NULL is one), and waits while the queue is full. May park.
 * NOOK_ECLOSED: it is closed; also where it was closed during the wait. The item is
 * not in the queue after any error. NOOK_ENOMEM: of a queue without capacity.
 * NOOK_ECANCELED. NOOK_EINVAL: NULL. NOOK_ENOTASK.
 */
NOOK_API int nook_queue_put(nook_queue *queue, void *item);

/* Takes the oldest item, or waits for one. May park.
 * NOOK_ECLOSED: it is closed and empty. NOOK_ECANCELED, NOOK_EINVAL, NOOK_ENOTASK. */
NOOK_API NOOK_NODISCARD int nook_queue_get(nook_queue *queue, void **item);

/* The same without waiting. NOOK_EAGAIN: it is full, or empty (QueueFull, QueueEmpty). */
NOOK_API int nook_queue_try_put(nook_queue *queue, void *item);
NOOK_API NOOK_NODISCARD int nook_queue_try_get(nook_queue *queue, void **item);

/*
 * No further put; what is in it can still be got. Wakes all who wait in put, and
 * those who wait in get, for whom nothing will come. Harmless on a closed one.
 * NOOK_EINVAL: NULL. NOOK_ENOTASK.
 */
NOOK_API int nook_queue_close(nook_queue *queue);

/* How many items are in it. */
NOOK_API size_t nook_queue_len(const nook_queue *queue);

/* Queue.task_done: an item that was got is dealt with. NOOK_ERANGE: more often than items. */
NOOK_API int nook_queue_task_done(nook_queue *queue);

/* Queue.join: waits until every item that was put is dealt with. May park. */
NOOK_API int nook_queue_join(nook_queue *queue);

NOOK_END_DECLS

#endif
