/* SPDX-License-Identifier: MIT */
/*
 * Green tasks: stackful coroutines that run inside worker threads.
 *
 * A worker is a pthread that runs tasks, one at a time. A task has a stack and
 * a current context of its own. It parks where it waits; another task runs
 * there meanwhile. A task that has started stays on its worker unless its
 * options allow it to migrate, because C code and C libraries keep the
 * addresses of thread-locals across calls.
 *
 * The words and the rules are asyncio's; what a task, a callback or a job finds
 * in its context is asyncio's table [A1-A39].
 *
 * Waits. Every function that may park says so. A park ends with 0, or with
 * NOOK_ECANCELED where the task was cancelled meanwhile. Called outside a task,
 * such a function answers NOOK_ENOTASK. Times are nanoseconds on the run's
 * clock: CLOCK_MONOTONIC, or the virtual clock of a schedule.
 *
 * Fork. A run stays in the parent, undisturbed. In a child that a task or a callback
 * made, every function here that needs a task answers NOOK_EFORKED, where it would
 * say NOOK_ENOTASK elsewhere, and nook_run does; the context functions and thread-
 * locals go on. Such a child calls exec or _exit. If it returns from the task instead,
 * nook_run answers NOOK_EFORKED in it, and new runs may begin; what the tasks of the
 * old one held is lost. On another worker than the first there is no nook_run to
 * return to: its only thread, and with it the process, ends with status 0. A child of
 * a thread that runs no task may begin runs of its own.
 */
#ifndef NOOK_TASK_H
#define NOOK_TASK_H

#include <nook/context.h>
#include <nook/error.h>
#include <nook/export.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

/* A task: counted, opaque. */
typedef struct nook_task nook_task;

/* A task's function. What it returns is the task's result. */
typedef int (*nook_task_fn)(void *arg);

/* A place in a program, for reports. What it points to is static. */
typedef struct nook_site {
    const char *file;
    const char *function;
    int line;
} nook_site;

/* The place where it stands. Not for file scope. */
#define NOOK_HERE                                                                         \
    __extension__({                                                                       \
        static const nook_site nook__site = {__FILE__, __extension__ __func__, __LINE__}; \
        &nook__site;                                                                      \
    })

/* --- a run ---------------------------------------------------------------- */

/*
 * Called round every switch, on the worker, outside any task's stack, with the
 * task that leaves (out), comes (in) or has ended (end). For state that libc
 * keeps per thread, such as uselocale(). May not park. Members may be NULL.
 */
typedef struct nook_task_hooks {
    void (*out)(nook_task *task, void *user);
    void (*in)(nook_task *task, void *user);
    void (*end)(nook_task *task, void *user);
    void *user;
} nook_task_hooks;

typedef struct nook_run_options {
    unsigned workers;  /* threads that run tasks, the caller among them; 0: 1; at most 1,024 */
    int migrate;       /* 1: tasks may resume on another worker, unless they say otherwise */
    size_t stack_size; /* usable bytes of a task's stack; 0: 64 KiB; at least 16 KiB */
    int save_errno;    /* 1: errno belongs to the task, not to the worker */
    const nook_task_hooks *hooks; /* copied */
    const char *name;             /* of the main task; copied; NULL: "main" */
    nook_context *context; /* main runs in this one itself, not in a copy; as one given to
                              nook_task_spawn it is entered on the calling thread alone */
    const struct nook_watch *watch; /* what the run reports, see nook/dump.h; copied; NULL:
                                       nothing */
} nook_run_options;

/*
 * asyncio.run: makes the workers (the calling thread is the first of them), runs
 * main(arg) as a task in a copy of the caller's context [A13], and returns when
 * that task has ended, every other task was cancelled and has ended too, and
 * the workers are gone. *result (may be NULL) gets what main returned.
 * From any thread that is not running a task. options may be NULL.
 * NOOK_EINVAL: main is NULL, an option is out of range, or a limit has nobody to
 * tell. NOOK_EBUSY: a task is
 * running here, or `context` is entered or given elsewhere. NOOK_ENOMEM, NOOK_EAGAIN: no
 * memory or thread; main did not run.
 * NOOK_EDEADLK: every task was parked for good, be it before or after main had ended;
 * from then on every park that can be interrupted answered NOOK_ECANCELED, and *result
 * is what main returned.
 * When main has ended, every other task is cancelled once, and may clean up as it likes. When
 * those have ended, what they have spawned and left is cancelled in the same way, and
 * nothing new is taken. A task that goes on for ever all the same keeps the run.
 */
NOOK_API int nook_run(nook_task_fn main, void *arg, const nook_run_options *options,
                      int *result);

/* --- tasks ---------------------------------------------------------------- */

/* The context in which a task starts. */
typedef enum nook_start {
    NOOK_START_COPY =
        0,            /* a copy of the creator's, taken now, by each variable's policy [A2] */
    NOOK_START_EMPTY, /* an empty one [G2] */
    NOOK_START_SHARE, /* the creator's own object: each sees the other's sets [G3] */
} nook_start;

typedef struct nook_task_options {
    const char
        *name; /* copied (31 bytes at most are kept); NULL: "task-<n>", the nth of its run */
    nook_start start;
    nook_context *context; /* used as it is, not copied, instead of start [A3] */
    size_t stack_size;     /* 0: the run's */
    unsigned worker;       /* start on this worker, from 1; 0: any */
    int migrate;           /* 0: as the run says; 1: may migrate; -1: stays */
    int eager; /* 1: it runs at once, until its first park; then the caller goes on */
    const nook_site *site; /* where it was spawned, for reports; NULL: nook_task_spawn knows */
    void (*discard)(void *arg); /* called instead of the function where that never runs */
} nook_task_options;

/*
 * asyncio.create_task: makes a task that will run fn(arg), and captures its
 * context now. It starts after the caller parks, or on another worker at once.
 * *out (may be NULL: nobody joins it) is one reference. A context given by
 * `context` or shared may serve several tasks and callbacks: those never run at
 * the same time [A4, D3], because they stay on one worker, whatever `worker` and
 * `migrate` say. A task does not hold it entered [A26], but until the last of them has ended
 * it is entered on that worker alone: elsewhere nook_context_enter answers NOOK_EENTERED. Where
 * a task of the run is inside already, they go to its worker. From a task or a callback.
 * With `eager` it is asyncio's eager task [A23]: it runs inside the call, on its own stack, in
 * its own context, until it parks for the first time or ends, and the caller goes on at
 * once after that, before anybody else of the worker. *out is not written until then. The
 * call may park, but for no other's sake: a cancel does not end it. A callback may
 * make one; hooks of the run may not, nor what a task's end releases. Who shares the
 * caller's context may be eager: the caller stands still meanwhile [A24, D3].
 * NOOK_EINVAL: fn is NULL, no such worker, a stack size out of range; eager, and another
 * worker. NOOK_EBUSY: another thread or run has entered its context, or was given it; eager,
 * and its context is in use on another worker. NOOK_ENOTASK; also
 * eager, and the caller is ending, or is called by a task's end. NOOK_ENOMEM.
 * NOOK_ECANCELED: the run is ending, and takes nothing new. Or what a variable's `duplicate`
 * returned. A task for which no stack is left when it is to start does not run; its result
 * is NOOK_ENOMEM.
 * Where a task was spawned and then never runs, because of that, of a cancel before its
 * start, or of the end of its run, discard(arg) is called for it, where there is one: once,
 * on a worker, in the task's context but in no task, before anybody who joins it wakes.
 * It may not park. So arg is the task's from a spawn that answered 0, and the caller's
 * after an error. asyncio closes a coroutine that was never started.
 */
NOOK_API int nook_task_spawn(nook_task **out, nook_task_fn fn, void *arg,
                             const nook_task_options *options);

/* The same, for a place that the caller names; NULL: none. */
NOOK_API int nook_task_spawn_at(const nook_site *site, nook_task **out, nook_task_fn fn,
                                void *arg, const nook_task_options *options);

/* Calls by name say where they stand; the function itself is there as well. */
#define nook_task_spawn(...) nook_task_spawn_at(NOOK_HERE, __VA_ARGS__)

/* One reference more (returns task) or less. NULL is ignored. Any thread. */
NOOK_API nook_task *nook_task_ref(nook_task *task);
NOOK_API void nook_task_unref(nook_task *task);

/*
 * Waits until the task has ended; *result (may be NULL) gets what its function
 * returned. Does not give up the caller's reference. May park. A cancel of the
 * waiting task goes to the awaited one first, as asyncio's await does.
 * NOOK_ECANCELED: the waiting task was cancelled. NOOK_EINVAL: NULL, or a task of
 * another run that has not ended. NOOK_EDEADLK: a task waits for itself. NOOK_ENOTASK.
 */
NOOK_API int nook_task_join(nook_task *task, int *result);

/*
 * asyncio.gather over tasks: waits until all have ended, and wakes the caller
 * once. results (may be NULL) gets n results. An error of one does not touch
 * the others. A cancel of the waiting task cancels all of them. May park.
 * Errors as for join.
 */
NOOK_API int nook_gather(nook_task *const *tasks, size_t n, int *results);

/* 1 once the task's function has returned, else 0. Any thread. */
NOOK_API int nook_task_done(const nook_task *task);

/* What the function returned. NOOK_EAGAIN: it has not. NOOK_EINVAL: NULL. Any thread. */
NOOK_API NOOK_NODISCARD int nook_task_result(const nook_task *task, int *result);

/*
 * A pointer as a second result: what the calling task gave last, to be had once the
 * task has ended; NULL where it gave none. nook does nothing with it; whose it is is
 * up to the two. Never parks. set: NOOK_ENOTASK. value: as nook_task_result, from any thread.
 */
NOOK_API int nook_task_set_value(void *value);
NOOK_API NOOK_NODISCARD int nook_task_value(const nook_task *task, void **value);

/*
 * asyncio.all_tasks: the tasks of the run that have not ended, the caller among them,
 * oldest first. tasks[0..room) gets one reference to each, as far as there is room (NULL
 * where that is 0); *n how many there are. From a task or a callback. Never parks.
 * NOOK_EINVAL: n is NULL, or tasks is and room is not 0. NOOK_ENOTASK.
 */
NOOK_API int nook_all_tasks(nook_task **tasks, size_t room, size_t *n);

/* The task that runs here, borrowed; NULL outside one. Never parks. */
NOOK_API nook_task *nook_task_current(void);

/* Where the task was spawned; NULL: unknown. Lives as long as the code there. */
NOOK_API const nook_site *nook_task_site(const nook_task *task);

/*
 * Says where in the program the calling task is about to park, until it says
 * something else; NULL: nowhere. Reports show it beside what the task waits for.
 * See NOOK_PARK_SITES in nook/dump.h. No effect outside a task.
 */
NOOK_API void nook_task_at(const nook_site *site);

/*
 * The task's name, and its number: from 1, never reused in a process. The name lives as
 * long as the task; it is empty where there is no memory for it. Any thread.
 */
NOOK_API const char *nook_task_name(const nook_task *task);
NOOK_API uint64_t nook_task_id(const nook_task *task);

/*
 * The number of the worker that runs here, from 1; 0 on other threads. In a
 * schedule, of the virtual worker.
 */
NOOK_API unsigned nook_worker_index(void);

/*
 * The context that the task was given, the very object [A33], retained: give it
 * back with nook_context_unref. NULL for a task that has ended. Any thread. One that was not
 * given (`context`, NOOK_START_SHARE) nobody keeps: who enters it sees to it that the task does
 * not run meanwhile.
 */
NOOK_API nook_context *nook_task_context(nook_task *task);

/*
 * Calls fn(user) when the calling task ends, on its stack and in its context,
 * last registered first, before anybody who joins it wakes. fn may not park.
 * NOOK_ENOTASK. NOOK_EINVAL: fn is NULL. NOOK_ENOMEM.
 */
NOOK_API int nook_task_at_end(void (*fn)(void *user), void *user);

/* --- parking -------------------------------------------------------------- */

/* Lets every other task that is ready here run first. Parks. NOOK_ECANCELED, NOOK_ENOTASK. */
NOOK_API int nook_yield(void);

/* The run's clock, in nanoseconds. CLOCK_MONOTONIC outside a task. Never parks. */
NOOK_API uint64_t nook_now(void);

/* A time that never comes: asyncio's None. */
#define NOOK_FOREVER UINT64_MAX

/* Parks for at least `ns` nanoseconds; 0 yields. NOOK_ECANCELED, NOOK_ENOTASK. */
NOOK_API int nook_sleep(uint64_t ns);

#define NOOK_READABLE 1u
#define NOOK_WRITABLE 2u

/*
 * Parks until the descriptor is ready for one of `events`; *ready (may be NULL)
 * gets which; an error or a hang-up counts as ready for all that was asked.
 * One waiter for each descriptor and direction. Close it meanwhile by nook_close, which
 * ends the wait with -EBADF; of another close nobody would hear.
 * NOOK_EINVAL: events is empty or has other bits. NOOK_EBUSY: another task waits
 * for the same. A negative errno of the poller, such as -EBADF or -EPERM.
 * NOOK_ENOMEM, NOOK_ECANCELED, NOOK_ENOTASK.
 */
NOOK_API int nook_wait_fd(int fd, unsigned events, unsigned *ready);

/*
 * Resumes the calling task on worker `worker`, from 1; when it parks again it goes on
 * wherever a worker is free, as before. Everything that the task
 * took from a thread-local before is the old worker's afterwards. Parks.
 * NOOK_EINVAL: no such worker. NOOK_ENOTSUP: the task may not migrate, shares
 * its context, or has entered one that it has not left [D3]. NOOK_ECANCELED, NOOK_ENOTASK.
 */
NOOK_API int nook_task_migrate(unsigned worker);

/* --- cancellation and deadlines -------------------------------------------- */

/*
 * Asks the task to stop: its current or next park answers NOOK_ECANCELED, and
 * the task may clean up [A28], and may go on. Each request is counted; those that
 * come before the task runs again are delivered as one, as asyncio's are. One that
 * finds the task waiting for others, or about to, goes on to them, and ends the
 * wait itself only where they wait for each other. A task that has not started
 * never runs; its result is NOOK_ECANCELED. No effect on a task that has ended.
 * From a task or a callback of the same run. NOOK_EINVAL: NULL, or of another run.
 * NOOK_ENOTASK.
 */
NOOK_API int nook_task_cancel(nook_task *task);

/* Takes one request back; returns how many remain. Task.uncancel. */
NOOK_API unsigned nook_task_uncancel(nook_task *task);

/* How many requests there are. Task.cancelling. Any thread of the run. */
NOOK_API unsigned nook_task_cancelling(const nook_task *task);

/*
 * asyncio.timeout, as a scope in the calling task; it lives in the caller's
 * storage, and scopes nest. When the time has come the task is cancelled, and
 * the exit turns that into NOOK_ETIMEDOUT. Members are private.
 */
typedef struct nook_deadline {
    int nook__expired; /* from the exit on */
} nook_deadline;

/*
 * From now on, for `ns` nanoseconds; NOOK_FOREVER: until it is rescheduled. Exit it before its
 * storage ends, and before the task does: see nook_scopes_left in nook/group.h. Does not park.
 * file and line say where, and are not copied; nook_deadline_enter fills them in.
 * NOOK_EINVAL: NULL. NOOK_EBUSY: the task is inside it already. NOOK_ENOTASK, NOOK_ENOMEM.
 */
#define nook_deadline_enter(deadline, ns) \
    nook_deadline_enter_at((deadline), (ns), __FILE__, __LINE__)
NOOK_API int nook_deadline_enter_at(nook_deadline *deadline, uint64_t ns, const char *file,
                                    unsigned line);

/* Moves an entered one to `ns` from now, or to NOOK_FOREVER. NOOK_EINVAL: not entered, or it
 * has passed. NOOK_ENOMEM. */
NOOK_API int nook_deadline_reschedule(nook_deadline *deadline, uint64_t ns);

/*
 * Timeout.when: the time on the clock of nook_now when an entered one is due;
 * NOOK_FOREVER: never. In the task that entered; NOOK_FOREVER for any other scope.
 */
NOOK_API uint64_t nook_deadline_when(const nook_deadline *deadline);

/* 1 where the time came inside the scope, else 0. In the task that entered, or after the exit.
 */
NOOK_API int nook_deadline_expired(const nook_deadline *deadline);

/*
 * Ends the scope: 0; NOOK_ETIMEDOUT where the time came and nobody else has
 * asked to cancel the task since the scope began; NOOK_ECANCELED where both.
 * Does not park. NOOK_EINVAL: not entered, or an inner scope is still entered.
 */
NOOK_API int nook_deadline_exit(nook_deadline *deadline);

/* --- callbacks ------------------------------------------------------------ */

/*
 * A callback that will run on a worker, outside any task, in the context that it
 * captured. It may not park. A handle is counted; what it captured goes when it
 * has run for the last time or is cancelled, not when the handle goes [D7].
 */
typedef struct nook_handle nook_handle;
typedef void (*nook_callback_fn)(void *arg);

/*
 * call_soon, call_later, call_at: run fn(arg) once, on the calling worker, after the task
 * parks, or `ns` later, or when nook_now has come to `when`. The context is a copy of the
 * caller's, taken now [A16], or `context` itself where it is not NULL [A17]; then on the worker
 * of those who use it already, which keeps it until it was called, as for a task [D3]. *out
 * (may be NULL) is one reference. From a task or a
 * callback. NOOK_EINVAL: fn is NULL. NOOK_EBUSY, as nook_task_spawn. NOOK_ENOTASK. NOOK_ENOMEM.
 * NOOK_ECANCELED: the run is ending, and takes nothing new. Or what a `duplicate` returned.
 */
NOOK_API int nook_call_soon(nook_handle **out, nook_callback_fn fn, void *arg,
                            nook_context *context);
NOOK_API int nook_call_later(nook_handle **out, uint64_t ns, nook_callback_fn fn, void *arg,
                             nook_context *context);
NOOK_API int nook_call_at(nook_handle **out, uint64_t when, nook_callback_fn fn, void *arg,
                          nook_context *context);

/*
 * add_done_callback: fn(arg) once the task has ended, or soon where it has, in a
 * copy of the context of the one who registers it, taken now [A18, A19]. Those who
 * are called and those who join run in the order in which they came.
 */
NOOK_API int nook_task_on_done(nook_handle **out, nook_task *task, nook_callback_fn fn,
                               void *arg, nook_context *context);

/*
 * add_reader, add_writer: fn(arg) each time that the descriptor is ready, always
 * in the one context captured here: what it sets stays for the next time [A20].
 * Until the handle is cancelled, or no task of the run is left. Errors also as nook_wait_fd.
 */
NOOK_API int nook_on_fd(nook_handle **out, int fd, unsigned events, nook_callback_fn fn,
                        void *arg, nook_context *context);

/*
 * No further call; drops the captured context now [D7]. From a task or a callback
 * of the run that made it. On a handle that has run, was cancelled or has outlived
 * its run: 0, and nothing is done, from any thread.
 * NOOK_EINVAL: NULL, or of another run. NOOK_ENOTASK.
 */
NOOK_API int nook_handle_cancel(nook_handle *handle);

/* One reference more (returns handle) or less. NULL is ignored. Any thread. */
NOOK_API nook_handle *nook_handle_ref(nook_handle *handle);
NOOK_API void nook_handle_unref(nook_handle *handle);

/* --- other threads -------------------------------------------------------- */

/*
 * asyncio.to_thread: runs fn(arg) on a thread of the run's pool in a copy of the
 * caller's context; what it sets stays there [A21]. *result (may be NULL) gets
 * what fn returned. Parks until then; cancelling the task does not stop the job,
 * and the wait goes on until it has ended.
 * NOOK_EINVAL, NOOK_ENOMEM, NOOK_EAGAIN (no thread), NOOK_ENOTASK;
 * NOOK_ECANCELED after the job has ended, where the task was cancelled meanwhile;
 * or at once, where the run was deadlocked: then the job did not run.
 */
NOOK_API int nook_to_thread(nook_task_fn fn, void *arg, int *result);

/*
 * loop.run_in_executor: the same, but in the pool thread's own context, whatever
 * an earlier job left there [A22, R3].
 */
NOOK_API int nook_run_in_executor(nook_task_fn fn, void *arg, int *result);

/* --- counts --------------------------------------------------------------- */

/* What is alive in this room, in the whole process. */
typedef struct nook_task_counts {
    long tasks;
    long handles;
    long stacks; /* of tasks, and of contexts of tasks that somebody still holds */
    long timers;
    long waits; /* descriptors that are waited for */
} nook_task_counts;

/* NOOK_EINVAL: NULL. Any thread. */
NOOK_API int nook_task_count(nook_task_counts *counts);

NOOK_END_DECLS

#endif
