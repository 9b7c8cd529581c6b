/* SPDX-License-Identifier: MIT */
/*
 * More ways to wait for tasks: asyncio's wait, as_completed, shield, wait_for, and
 * gather without return_exceptions.
 *
 * All of them take tasks, whose contexts were captured when they were made [A5, A7,
 * A11, A12], and none takes a reference over. An error is a negative result; one
 * that is NOOK_ECANCELED is a task that was cancelled, and no error to nook_wait. A
 * call that waits may park, and returns at once where there is nothing to wait for.
 */
#ifndef NOOK_WAIT_H
#define NOOK_WAIT_H

#include <nook/error.h>
#include <nook/export.h>
#include <nook/task.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

typedef enum nook_wait_until {
    NOOK_ALL_COMPLETED = 0,
    NOOK_FIRST_COMPLETED, /* or more than one: whoever has ended by then */
    NOOK_FIRST_ERROR,     /* FIRST_EXCEPTION; all, where none fails */
} nook_wait_until;

/*
 * asyncio.wait: waits for tasks[0..n), for `ns` nanoseconds at most. *done (may be
 * NULL) gets how many of the n have ended, after every return but NOOK_EINVAL, NOOK_EDEADLK,
 * NOOK_ENOTASK; nook_task_done says which. Cancels nobody: neither when the time has come nor
 * where the caller is cancelled. A task may be given twice. May park.
 * NOOK_ETIMEDOUT: the time came first. NOOK_ECANCELED. NOOK_EINVAL: n is 0, `until`
 * is none of these, a task is NULL, or of another run and has not ended.
 * NOOK_EDEADLK: the caller is among them. NOOK_ENOMEM, NOOK_ENOTASK.
 */
NOOK_API int nook_wait(nook_task *const *tasks, size_t n, nook_wait_until until, uint64_t ns,
                       size_t *done);

/*
 * asyncio.gather as it is without return_exceptions: waits until all have ended, or
 * one with an error or cancelled; that result is then what this returns, at once,
 * and the others go on. results (may be NULL) gets n results where none failed.
 * A cancel of the caller cancels all of them. May park.
 * NOOK_ECANCELED: the caller was cancelled, or one of them. Errors as nook_gather.
 */
NOOK_API int nook_gather_first_error(nook_task *const *tasks, size_t n, int *results);

/*
 * asyncio.shield: nook_task_join, but a cancel of the caller ends only the wait; the
 * task goes on. Errors as nook_task_join. May park.
 */
NOOK_API int nook_shield(nook_task *task, int *result);

/*
 * asyncio.wait_for, as it is from Python 3.12 on: calls fn(arg) in the calling task
 * and its own context [A8, A9, D9], under a deadline of `ns`. *result (may be NULL)
 * gets what fn returned, after a return of 0. With 0 nanoseconds fn is not called,
 * but others run. May park.
 * NOOK_ETIMEDOUT: the time came, and fn returned NOOK_ECANCELED. Any other result of
 * fn counts although the time came. NOOK_ECANCELED: the task was cancelled by
 * somebody else, and fn gave in, or returned this of itself. NOOK_ESCOPE: fn left a deadline
 * open, which has ended now. NOOK_EINVAL: fn is NULL. NOOK_ENOMEM, NOOK_ENOTASK.
 */
NOOK_API int nook_wait_for(nook_task_fn fn, void *arg, uint64_t ns, int *result);

/*
 * The same for a task: joins it, and cancels it when the time has come; then waits
 * until it has ended. May park.
 * NOOK_ETIMEDOUT: the time came, and the task gave in; else its result counts.
 * Other errors as nook_task_join. NOOK_ENOMEM.
 */
NOOK_API int nook_task_wait_for(nook_task *task, uint64_t ns, int *result);

/* --- as they come ------------------------------------------------------------- */

/* asyncio.as_completed: tasks in the order in which they end. Opaque. */
typedef struct nook_completions nook_completions;

/*
 * Over tasks[0..n), until `ns` nanoseconds from now. What has ended already comes
 * first. A task that is given twice comes twice. *out goes back with
 * nook_completions_free; it keeps the tasks until then. From a task or a callback.
 * NOOK_EINVAL: out is NULL; and as nook_wait, but n may be 0. NOOK_ENOMEM,
 * NOOK_ENOTASK.
 */
NOOK_API NOOK_NODISCARD int nook_as_completed(nook_completions **out, nook_task *const *tasks,
                                              size_t n, uint64_t ns);

/*
 * *task gets the next that has ended, borrowed, or this waits for one. May park.
 * NOOK_EEND: that were all. NOOK_ETIMEDOUT: the time has come, and none is left that
 * has ended. NOOK_EBUSY: another task waits here. NOOK_ECANCELED. NOOK_EINVAL: NULL.
 * NOOK_ENOMEM, NOOK_ENOTASK.
 */
NOOK_API NOOK_NODISCARD int nook_completions_next(nook_completions *completions,
                                                  nook_task **task);

/*
 * Nobody may wait there. The tasks go on. NULL is ignored. From a task or a callback
 * of the run, or once all the tasks have ended.
 */
NOOK_API void nook_completions_free(nook_completions *completions);

NOOK_END_DECLS

#endif
