/* SPDX-License-Identifier: MIT */
/*
 * child: a task starts a child, which must see what its parent bound.
 *
 * With thread-locals it does, by luck: both run on one worker, and nobody else
 * has come between. With task-locals it finds nothing: a new task is a new
 * identity.
 */
#include "leaks.h"

struct family {
    struct leak_run *run;
    struct ambient *user;
};

static int child(void *arg)
{
    struct family *family = arg;
    leak_reads(family->run, "user", ambient_read(family->user), "alice");
    return 0;
}

static int parent(void *arg)
{
    struct family *family = arg;
    struct leak_actor children[] = {{"child-1", child, arg}, {"child-2", child, arg}};
    int rc = ambient_bind(family->user, "alice");
    if (rc != 0)
        return rc;
    leak_does(family->run, "user = alice, start two children");
    return leak_together(children, 2);
}

static int alone(void *arg)
{
    struct leak_actor only[] = {{"parent", parent, arg}};
    return leak_together(only, 1);
}

static int run_child(struct leak_run *run)
{
    struct family family = {.run = run};
    int rc = ambient_open(&family.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(alone, &family, NULL);
    ambient_close(family.user);
    return rc;
}

const struct leak_case leak_child = {
    .name = "child",
    .title = "A task starts children: they must see what their parent bound.",
    .seen = "peewee-async#123",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{0, 2}}}, /* by luck: nobody came between */
            [LEAK_TASK] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 2}}},
        },
    .run = run_child,
};
