/* SPDX-License-Identifier: MIT */
/*
 * migrate: a task binds its user on one worker, parks, and resumes on another.
 * What it bound stayed behind; what it finds there is nothing, or another's.
 *
 * Real workers: on the one thread of a schedule a thread-local would follow.
 */
#include "leaks.h"

struct trip {
    struct leak_run *run;
    struct ambient *user;
};

struct traveller {
    struct trip *trip;
    const char *name;
};

static int travel(void *arg)
{
    struct traveller *traveller = arg;
    struct trip *trip = traveller->trip;
    int rc = ambient_bind(trip->user, (void *)(uintptr_t)traveller->name);
    if (rc != 0)
        return rc;
    leak_does(trip->run, "user = %s, park", traveller->name);
    rc = nook_task_migrate(2);
    leak_reads(trip->run, "user", ambient_read(trip->user), traveller->name);
    return rc;
}

/* Lives on the other worker, and leaves its user there. */
static int stay(void *arg)
{
    struct traveller *traveller = arg;
    int rc = ambient_bind(traveller->trip->user, (void *)(uintptr_t)traveller->name);
    leak_does(traveller->trip->run, "user = %s, end", traveller->name);
    return rc;
}

static int go(struct traveller *traveller, nook_task_fn fn, unsigned worker)
{
    nook_task_options options = {.name = traveller->name, .worker = worker};
    nook_task *task;
    int result = 0, rc = nook_task_spawn(&task, fn, traveller, &options);
    if (rc != 0)
        return rc;
    rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

static int one_after_another(void *arg)
{
    struct traveller alice = {arg, "alice"}, bob = {arg, "bob"}, carol = {arg, "carol"};
    int rc = go(&alice, travel, 1);
    if (rc == 0)
        rc = go(&bob, stay, 2);
    return rc != 0 ? rc : go(&carol, travel, 1);
}

static int run_migrate(struct leak_run *run)
{
    nook_run_options options = {.workers = 2, .migrate = 1};
    struct trip trip = {.run = run};
    int result = 0, rc = ambient_open(&trip.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = nook_run(one_after_another, &trip, &options, &result);
    ambient_close(trip.user);
    return rc != 0 ? rc : result;
}

const struct leak_case leak_migrate = {
    .name = "migrate",
    .title = "A task binds on worker 1, parks, and resumes on worker 2.",
    .seen = "brpc's note on thread-local variables",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, 2}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 2}}},
        },
    .run = run_migrate,
};
