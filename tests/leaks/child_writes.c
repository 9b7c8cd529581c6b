/* SPDX-License-Identifier: MIT */
/*
 * child-writes: a child becomes somebody else for a while. Its parent must not
 * notice, and what the parent binds later must not reach the child.
 */
#include "leaks.h"

struct family {
    struct leak_run *run;
    struct ambient *user;
};

static int child(void *arg)
{
    struct family *family = arg;
    int rc = ambient_bind(family->user, "admin");
    leak_does(family->run, "user = admin");
    nook_yield();
    leak_reads(family->run, "user", ambient_read(family->user), "admin");
    return rc;
}

static int parent(void *arg)
{
    struct family *family = arg;
    nook_task *task;
    int rc = ambient_bind(family->user, "alice");
    leak_does(family->run, "user = alice, start the child");
    if (rc == 0)
        rc = leak_spawn(&task, "child", child, family);
    if (rc != 0)
        return rc;
    nook_yield();
    leak_reads(family->run, "user", ambient_read(family->user), "alice");
    rc = ambient_bind(family->user, "bob");
    leak_does(family->run, "user = bob");
    nook_task_join(task, NULL);
    leak_reads(family->run, "user", ambient_read(family->user), "bob");
    nook_task_unref(task);
    return rc;
}

static int alone(void *arg)
{
    struct leak_actor only[] = {{"parent", parent, arg}};
    return leak_together(only, 1);
}

static int run_child_writes(struct leak_run *run)
{
    struct family family = {.run = run};
    int rc = ambient_open(&family.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(alone, &family, NULL);
    ambient_close(family.user);
    return rc;
}

const struct leak_case leak_child_writes = {
    .name = "child-writes",
    .title = "A child binds: its parent must not see it, nor the child the parent's next.",
    .seen = "CPython's test_context_1",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, 3}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, 3}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 3}}},
        },
    .run = run_child_writes,
};
