/* SPDX-License-Identifier: MIT */
/*
 * callback: alice and bob each start a job, and register what is to happen when
 * it is done. The callback must act for the one who registered it, not for
 * whoever was at work when the job came to its end.
 */
#include "leaks.h"

struct office {
    struct leak_run *run;
    struct ambient *user;
};

struct client {
    struct office *office;
    char *name;
};

static int job(void *arg)
{
    (void)arg;
    return nook_yield();
}

static void notify(void *arg)
{
    struct client *client = arg;
    struct office *office = client->office;
    leak_reads_as(office->run, "callback", "notify", ambient_read(office->user), client->name);
}

static int order(void *arg)
{
    struct client *client = arg;
    nook_task *task;
    int rc = ambient_bind(client->office->user, client->name);
    leak_does(client->office->run, "user = %s, when done: notify", client->name);
    if (rc == 0)
        rc = leak_spawn(&task, "job", job, NULL);
    if (rc != 0)
        return rc;
    rc = nook_task_on_done(NULL, task, notify, client, NULL);
    nook_task_unref(task);
    return rc;
}

static int open_office(void *arg)
{
    struct client alice = {arg, "alice"}, bob = {arg, "bob"};
    struct leak_actor clients[] = {{"alice", order, &alice}, {"bob", order, &bob}};
    int rc = leak_together(clients, 2);
    return rc != 0 ? rc : nook_sleep(1000);
}

static int run_callback(struct leak_run *run)
{
    struct office office = {.run = run};
    int rc = ambient_open(&office.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(open_office, &office, NULL);
    ambient_close(office.user);
    return rc;
}

const struct leak_case leak_callback = {
    .name = "callback",
    .title = "A done callback acts for whoever it finds, not for who registered it.",
    .seen = "node#41285",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{1, 2}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 2}}},
        },
    .run = run_callback,
};
