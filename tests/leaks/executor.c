/* SPDX-License-Identifier: MIT */
/*
 * executor: a task hands a blocking job to a pool thread. The job must act for
 * the task that submitted it; another thread is another identity.
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
    struct client *client = arg;
    struct office *office = client->office;
    leak_reads_as(office->run, "pool", "user", ambient_read(office->user), client->name);
    return 0;
}

static int submit(void *arg)
{
    struct client *client = arg;
    int rc = ambient_bind(client->office->user, client->name);
    leak_does(client->office->run, "user = %s, to_thread", client->name);
    return rc != 0 ? rc : nook_to_thread(job, client, NULL);
}

static int open_office(void *arg)
{
    struct client alice = {arg, "alice"}, bob = {arg, "bob"};
    struct leak_actor clients[] = {{"alice", submit, &alice}, {"bob", submit, &bob}};
    return leak_together(clients, 2);
}

static int run_executor(struct leak_run *run)
{
    struct office office = {.run = run};
    int rc = ambient_open(&office.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(open_office, &office, NULL);
    ambient_close(office.user);
    return rc;
}

const struct leak_case leak_executor = {
    .name = "executor",
    .title = "A job on a pool thread does not find the value of the task that sent it.",
    .seen = "CPython bpo-34014",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 2}}},
        },
    .run = run_executor,
};
