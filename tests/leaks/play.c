/* SPDX-License-Identifier: MIT */
/* How a case is run: under the deterministic scheduler, once or in every order. */
#include "leaks.h"

/* The first n schedules of all; the story ends with the first, where there is a `run`. */
static int play(struct leak_run *run, uint64_t n, nook_task_fn main, void *arg,
                const nook_run_options *options)
{
    nook_schedule *schedule;
    int rc = nook_schedule_new(&schedule, NULL);
    if (rc != 0)
        return rc;
    for (uint64_t i = 0; i < n && rc == 0; i++) {
        int result = 0;
        rc = nook_schedule_run(schedule, main, arg, options, &result);
        if (rc == 0)
            rc = result;
        if (run != NULL)
            leak_told(run);
    }
    nook_schedule_free(schedule);
    return rc == NOOK_EEND ? 0 : rc;
}

int leak_play(nook_task_fn main, void *arg, const nook_run_options *options)
{
    return play(NULL, 1, main, arg, options);
}

int leak_play_every(struct leak_run *run, nook_task_fn main, void *arg,
                    const nook_run_options *options)
{
    return play(run, UINT64_MAX, main, arg, options);
}

int leak_spawn(nook_task **out, const char *name, nook_task_fn fn, void *arg)
{
    nook_task_options options = {.name = name};
    return nook_task_spawn(out, fn, arg, &options);
}

enum { TOGETHER = 16 };

int leak_together(const struct leak_actor *actors, size_t n)
{
    nook_task *tasks[TOGETHER] = {NULL};
    int results[TOGETHER] = {0};
    size_t spawned = 0;
    int rc = n <= TOGETHER ? 0 : NOOK_EINVAL;
    for (; rc == 0 && spawned < n; spawned += rc == 0)
        rc = leak_spawn(&tasks[spawned], actors[spawned].name, actors[spawned].fn,
                        actors[spawned].arg);
    int joined = nook_gather(tasks, spawned, results);
    for (size_t i = 0; i < spawned; i++) {
        if (rc == 0)
            rc = results[i];
        nook_task_unref(tasks[i]);
    }
    return rc != 0 ? rc : joined;
}
