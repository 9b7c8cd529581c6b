/* SPDX-License-Identifier: MIT */
/*
 * A run from outside: other threads may give it work and wait for that; and a
 * runner, which runs several times in one context.
 */
#ifndef NOOK_LOOP_H
#define NOOK_LOOP_H

#include <nook/context.h>
#include <nook/error.h>
#include <nook/export.h>
#include <nook/sync.h>
#include <nook/task.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* --- from other threads ------------------------------------------------------- */

/*
 * A run, as threads have it that are not its workers. Counted; it outlives the run.
 * What is sent is done on the run's first worker, in the order in which one thread sends
 * it, and before the run ends. While somebody holds one, a run whose tasks all wait
 * is no deadlock, for there is who may wake one; so give it back in the end.
 */
typedef struct nook_loop nook_loop;

/*
 * asyncio.get_running_loop: *out is one reference. From a task or a callback; to be
 * handed to other threads. Never parks. NOOK_ENOTSUP: in a schedule, which no
 * thread may disturb. NOOK_EINVAL: NULL. NOOK_ENOTASK. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_loop_running(nook_loop **out);

/* One reference more (returns loop) or less. NULL is ignored. Any thread. */
NOOK_API nook_loop *nook_loop_ref(nook_loop *loop);
NOOK_API void nook_loop_unref(nook_loop *loop);

/*
 * asyncio.run_coroutine_threadsafe: nook_task_spawn from any thread. The context is a copy
 * of the calling thread's, taken now, or `context`, or empty; *out (may be NULL) is one
 * reference. It starts once the first worker has heard of it. Does not wait.
 * A task whose run ends before that does not run: its result is NOOK_ECANCELED, and
 * its `discard` is called, as in every case of nook_task_spawn.
 * NOOK_ECLOSED: the run is over. NOOK_ECANCELED: it is ending, and takes nothing new.
 * NOOK_EBUSY: somebody who is no worker of the run, such as the caller, has entered `context`,
 * or another run was given it [D3]. NOOK_EINVAL: loop or fn is
 * NULL, NOOK_START_SHARE, eager, no such worker, a stack size out of range. NOOK_ENOMEM. Or
 * what a `duplicate` returned. No memory for stacks: the task does not run; its result is
 * NOOK_ENOMEM.
 */
NOOK_API int nook_loop_spawn(nook_loop *loop, nook_task **out, nook_task_fn fn, void *arg,
                             const nook_task_options *options);

/*
 * call_soon_threadsafe: nook_call_soon from any thread [A16, A17]. *out (may be NULL) is one
 * reference; cancel it from a task of the run. What has not been called when the run ends
 * is not called. Errors as nook_loop_spawn.
 */
NOOK_API int nook_loop_call_soon(nook_loop *loop, nook_handle **out, nook_callback_fn fn,
                                 void *arg, nook_context *context);

/*
 * nook_task_cancel from any thread, as long as a task is left. 0 also where the task has
 * ended by then. NOOK_EINVAL: NULL, or a task of another run. NOOK_ECLOSED, NOOK_ECANCELED: no
 * task is left. NOOK_ENOMEM.
 */
NOOK_API int nook_loop_cancel(nook_loop *loop, nook_task *task);

/*
 * nook_event_set from any thread, as long as a task is left; the event must be there until
 * the run has done it, which whoever waits for the event can tell. NOOK_EINVAL: NULL.
 * NOOK_ECLOSED, NOOK_ECANCELED: no task is left. NOOK_ENOMEM.
 */
NOOK_API int nook_loop_set_event(nook_loop *loop, nook_event *event);

/*
 * Blocks the calling thread until the task has ended, for `ns` nanoseconds at most,
 * UINT64_MAX: for ever; *result (may be NULL) gets what its function returned. Does not
 * cancel it. Also after the run has ended. NOOK_ETIMEDOUT. NOOK_EINVAL: NULL, or a task of
 * another run that has not ended. NOOK_EBUSY: a task (or callback) is running here.
 */
NOOK_API int nook_loop_join(nook_loop *loop, nook_task *task, uint64_t ns, int *result);

/* --- a runner ------------------------------------------------------------------- */

/* asyncio.Runner: several runs, one after another, in one context [A14]. */
typedef struct nook_runner nook_runner;

/*
 * *out goes back with nook_runner_free. options may be NULL, and are copied; their context,
 * where there is one, is the runner's. Any thread. NOOK_EINVAL: out is NULL. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_runner_new(nook_runner **out, const nook_run_options *options);

/*
 * nook_run, with main in the runner's context: a copy of the caller's that the first run
 * takes, used as it is from then on [A14]; or in `context` itself, for this once [A3]. The
 * stacks of one run serve the next. NOOK_ECLOSED: the runner is closed. NOOK_EBUSY: it is
 * running, a task is running here, or the context is entered or given elsewhere. NOOK_EINVAL:
 * NULL. Otherwise as nook_run, or what a `duplicate` returned.
 */
NOOK_API int nook_runner_run(nook_runner *runner, nook_task_fn main, void *arg,
                             nook_context *context, int *result);

/*
 * Drops the context and the stacks; nothing runs afterwards. Harmless on a closed one.
 * Any thread that runs no task. NOOK_EBUSY: it is running. NOOK_EINVAL: NULL.
 */
NOOK_API int nook_runner_close(nook_runner *runner);

/* Closes it, and frees it. It may not be running. NULL is ignored. */
NOOK_API void nook_runner_free(nook_runner *runner);

NOOK_END_DECLS

#endif
