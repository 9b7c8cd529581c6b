/* SPDX-License-Identifier: MIT */
/*
 * The deterministic scheduler: the same tasks as nook_run's, but every choice of
 * who runs next, and on which worker, is taken from a seed, from a recorded
 * string, or from an enumeration of all of them.
 *
 * All of it happens on the calling thread. Workers are virtual: they are numbers
 * that nook_worker_index answers. The clock is virtual: it stands while tasks
 * are ready, and jumps to the next timer when none is; a timer that is due when it
 * is set does not wait for that. A choice is made wherever
 * more than one thing could happen next; a run is wholly given by its choices.
 */
#ifndef NOOK_SCHEDULE_H
#define NOOK_SCHEDULE_H

#include <nook/error.h>
#include <nook/export.h>
#include <nook/task.h>
#include <stddef.h>
#include <stdint.h>

NOOK_BEGIN_DECLS

typedef struct nook_schedule nook_schedule;

typedef enum nook_choose {
    NOOK_CHOOSE_ENUMERATE = 0, /* every schedule once, in a fixed order, beginning with FIFO */
    NOOK_CHOOSE_SEED,          /* a pseudo-random schedule for each run, from `seed` on */
    NOOK_CHOOSE_REPLAY,        /* the schedule that `replay` spells */
} nook_choose;

typedef struct nook_schedule_options {
    nook_choose choose;
    uint64_t seed;
    const char *replay; /* copied */
} nook_schedule_options;

/*
 * *out is owned by the caller until nook_schedule_free. options may be NULL.
 * Any thread; one thread at a time uses a schedule. Never parks.
 * NOOK_EINVAL: out is NULL, choose is none of these, replay is missing.
 * NOOK_ESCHEDULE: replay is no schedule string. NOOK_ENOMEM.
 */
NOOK_API NOOK_NODISCARD int nook_schedule_new(nook_schedule **out,
                                              const nook_schedule_options *options);
NOOK_API void nook_schedule_free(nook_schedule *schedule);

/*
 * nook_run under this schedule: options, result, context and error codes are
 * the same; `workers` counts virtual workers. In an enumeration each call runs
 * the next schedule. The program must do the same each time it is given the
 * same choices.
 * NOOK_EEND: the enumeration is complete; nothing was run. NOOK_ESCHEDULE: the
 * program asked for a choice that the string (or the enumeration) does not have,
 * or ended before it did; then the rest ran first-in first-out. Also what nook_run
 * returns. After NOOK_ENOMEM the next call repeats the run.
 */
NOOK_API int nook_schedule_run(nook_schedule *schedule, nook_task_fn main, void *arg,
                               const nook_run_options *options, int *result);

/*
 * The choices of the last run as a string, which NOOK_CHOOSE_REPLAY takes.
 * Borrowed until the next run. "" before the first.
 */
NOOK_API const char *nook_schedule_string(const nook_schedule *schedule);

/* How many runs were begun. One that was refused, or whose main did not run, is none. */
NOOK_API uint64_t nook_schedule_runs(const nook_schedule *schedule);

NOOK_END_DECLS

#endif
