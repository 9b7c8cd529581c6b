/* SPDX-License-Identifier: MIT */
/*
 * Seeing inside: every task of every run of the process, with what it waits for and
 * with its context variables.
 */
#ifndef NOOK_DUMP_H
#define NOOK_DUMP_H

#include <nook/context.h>
#include <nook/export.h>
#include <nook/sync.h>
#include <nook/task.h>

NOOK_BEGIN_DECLS

/*
 * Writes every task as text, as a tree of who spawned whom: number, name, state,
 * what it waits for and where, worker, age, how often it has parked, how much of
 * its stack was touched (by it, or by who had the stack before), where it was
 * spawned, and the variables of its current context. Of a task that is not parked,
 * those of the context that it was given.
 * Any thread, tasks and callbacks among them; not from a signal handler, see
 * nook_dump_on_signal. Does not park. A run with one worker is asked by message, and
 * answers at its next look round: one that is busy for a second is written without
 * its tasks. Printers run on the calling thread.
 * NOOK_ETIMEDOUT: a run did not answer; the others are written. NOOK_ENOMEM. A
 * negative errno of write(2).
 */
NOOK_API int nook_dump(int fd);

/*
 * Each time that the signal comes, nook_dump(fd) on a thread of its own. signal 0:
 * no longer, and the previous handler is back. One at a time, from any thread that
 * is not running a task.
 * NOOK_EINVAL: no such signal, or one that cannot be handled. NOOK_EBUSY: there is
 * one already. NOOK_EAGAIN: no thread.
 */
NOOK_API int nook_dump_on_signal(int signal, int fd);

/* --- what variables look like --------------------------------------------- */

/*
 * Writes a value as text: at most `room` bytes with the end, as snprintf does. What
 * is longer is cut; control characters are shown as dots. No lock is held. The value
 * is alive, but the task may be changing what it points to: print what does not change.
 */
typedef void (*nook_dump_print)(char *out, size_t room, void *value, void *user);

/*
 * How a variable's values are printed; NULL: as a pointer again. Holds a reference to
 * the variable until then. Any thread. NOOK_EINVAL: var is NULL. NOOK_ENOMEM.
 */
NOOK_API int nook_dump_printer(nook_var *var, nook_dump_print print, void *user);

/* Ready-made: a C string in quotes; a number that is the pointer; nothing but "redacted". */
NOOK_API void nook_dump_string(char *out, size_t room, void *value, void *user);
NOOK_API void nook_dump_number(char *out, size_t room, void *value, void *user);
NOOK_API void nook_dump_redacted(char *out, size_t room, void *value, void *user);

/* --- what a run reports by itself ------------------------------------------ */

/* A task, or a callback, that keeps a worker. What it points to is good for the call. */
typedef struct nook_stall {
    const char *name;      /* of the task; NULL: a callback */
    uint64_t id;           /* of the task; 0: a callback */
    const nook_site *site; /* where the task was spawned; NULL: unknown */
    unsigned worker;
    uint64_t ns; /* for so long it has run already */
} nook_stall;

/* A task that has failed, unheard. What it points to is good for the call. */
typedef struct nook_failure {
    nook_task *task; /* borrowed; may be kept by a reference of one's own */
    const char *name;
    uint64_t id;
    const nook_site *site; /* where the task was spawned; NULL: unknown */
    int result;            /* the error */
} nook_failure;

/*
 * Reports of a run, in its options. The library prints nothing itself.
 *
 * failed: loop.call_exception_handler. A task has ended with an error, a negative result
 * other than NOOK_ECANCELED, and its last reference has gone before anybody asked for it.
 * Who asks: nook_task_result, and join, gather, shield and the like where they are given
 * room for the result; a group, and nook_gather_first_error, always; nobody by waiting
 * alone. Called once for each, soon after that, on a worker, in no task, in the context that
 * the task had and has left [A32], which it keeps until then; in one that was given, others may
 * run meanwhile on other workers, now that the task has ended: let it bind nothing there. As a
 * callback it may not park, and may spawn. Not for main, whose result nook_run gives; nor for a
 * task whose last reference is given up by a thread that is no worker of the run, or after the
 * run.
 *
 * stalled: a task has run for `stall_ns` nanoseconds without parking, or a callback
 * without returning. Called once for each time, after at most a quarter more, on a
 * thread that does nothing else: it may print, and dump the other runs, and nobody is
 * preempted. Not in a schedule, whose clock does not go on meanwhile.
 *
 * deadlocked: every task is parked, and nothing can wake one. Called once, before
 * they are interrupted, on the worker that found it, in no task. nook_dump tells there
 * who waits for what. It may not park.
 */
typedef struct nook_watch {
    uint64_t stall_ns; /* 0: tasks may run for as long as they like */
    void (*stalled)(const nook_stall *stall, void *user);
    void (*deadlocked)(void *user);
    void *user;
    void (*failed)(const nook_failure *failure, void *user); /* NULL: nobody hears */
    int measure_stacks; /* 1: nook_stack_census hears of each task that ends; each start
                           gives a stack's memory back first */
} nook_watch;

/* The tasks of one spawn site that have ended, in runs that measured them. */
typedef struct nook_stack_use {
    const nook_site *site; /* NULL: unknown; then all of one name are together */
    const char *name;      /* of the first of them */
    size_t stack_size;     /* those of another size are counted apart */
    size_t deepest;        /* bytes: down to the lowest that is not zero */
    uint64_t tasks;
} nook_stack_use;

/*
 * How deep stacks were used, since the last reset: fn for each, with no lock held.
 * 255 sites are told apart; what comes later is together in one, named "others".
 * Any thread. Does not park. NOOK_EINVAL: fn is NULL.
 */
NOOK_API int nook_stack_census(void (*fn)(const nook_stack_use *use, void *user), void *user);
NOOK_API void nook_stack_census_reset(void);

/* --- where tasks park ------------------------------------------------------ */

/*
 * A dump names the function that called nook, where the linker knows its name
 * (-rdynamic), and the address, which addr2line resolves. A source that defines
 * NOOK_PARK_SITES before it includes this header, or nook/nook.h, has file and line
 * named too, for two calls more at each park.
 */
#ifdef NOOK_PARK_SITES
#define NOOK__AT(call)              \
    __extension__({                 \
        nook_task_at(NOOK_HERE);    \
        int nook__outcome = (call); \
        nook_task_at(NULL);         \
        nook__outcome;              \
    })
#define nook_task_join(...) NOOK__AT(nook_task_join(__VA_ARGS__))
#define nook_gather(...) NOOK__AT(nook_gather(__VA_ARGS__))
#define nook_sleep(...) NOOK__AT(nook_sleep(__VA_ARGS__))
#define nook_wait_fd(...) NOOK__AT(nook_wait_fd(__VA_ARGS__))
#define nook_to_thread(...) NOOK__AT(nook_to_thread(__VA_ARGS__))
#define nook_run_in_executor(...) NOOK__AT(nook_run_in_executor(__VA_ARGS__))
#define nook_lock_acquire(...) NOOK__AT(nook_lock_acquire(__VA_ARGS__))
#define nook_event_wait(...) NOOK__AT(nook_event_wait(__VA_ARGS__))
#define nook_condition_wait(...) NOOK__AT(nook_condition_wait(__VA_ARGS__))
#define nook_condition_wait_for(...) NOOK__AT(nook_condition_wait_for(__VA_ARGS__))
#define nook_semaphore_acquire(...) NOOK__AT(nook_semaphore_acquire(__VA_ARGS__))
#define nook_barrier_wait(...) NOOK__AT(nook_barrier_wait(__VA_ARGS__))
#define nook_queue_put(...) NOOK__AT(nook_queue_put(__VA_ARGS__))
#define nook_queue_get(...) NOOK__AT(nook_queue_get(__VA_ARGS__))
#define nook_queue_join(...) NOOK__AT(nook_queue_join(__VA_ARGS__))
#endif

NOOK_END_DECLS

#endif
