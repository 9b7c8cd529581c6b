/* SPDX-License-Identifier: MIT */
/*
 * errno: a call fails, the task parks before it looks why, and another task's
 * call fails meanwhile. errno is libc's own thread-local: no library binds it,
 * so the storages here are the run's: errno left to the thread, or saved with
 * each task.
 */
#include "leaks.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 3 };

struct office {
    struct leak_run *run;
};

/* Something that parks, as logging to a slow disk would. */
static void log_failure(void)
{
    (void)nook_yield();
}

static int open_missing(void *arg)
{
    struct office *office = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (open("/no/such/file", O_RDONLY) >= 0)
            return NOOK_EINVAL;
        leak_does(office->run, "open fails: ENOENT");
        log_failure();
        leak_reads(office->run, "errno", strerrorname_np(errno), "ENOENT");
    }
    return 0;
}

static int close_twice(void *arg)
{
    struct office *office = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (close(-1) == 0)
            return NOOK_EINVAL;
        leak_does(office->run, "close fails: EBADF");
        log_failure();
        leak_reads(office->run, "errno", strerrorname_np(errno), "EBADF");
    }
    return 0;
}

static int both(void *arg)
{
    struct leak_actor actors[] = {{"alice", open_missing, arg}, {"bob", close_twice, arg}};
    return leak_together(actors, 2);
}

static int run_errno(struct leak_run *run)
{
    nook_run_options options = {.save_errno = run->storage == LEAK_CONTEXT};
    struct office office = {run};
    return leak_play(both, &office, &options);
}

const struct leak_case leak_errno = {
    .name = "errno",
    .title = "Another task's call fails between my failing call and my look at errno.",
    .seen = "brpc saves errno round the switch",
    .how = {[LEAK_THREAD] = "with errno left to the thread",
            [LEAK_CONTEXT] = "with errno saved for each task (the run's option save_errno)"},
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{5, 6}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 6}}},
        },
    .run = run_errno,
};
