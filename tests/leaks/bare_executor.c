/* SPDX-License-Identifier: MIT */
/*
 * bare-executor: run_in_executor hands a job to a pool thread and leaves the
 * context behind. The job finds the thread's own: nothing at first, and then what
 * an earlier job bound there, because a pool thread is used again.
 *
 * The cure is to_thread, which runs the job in a copy of the caller's context.
 */
#include "leaks.h"

enum { CLIENTS = 3 };

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
    leak_does_as(office->run, "pool", "log in: user = %s", client->name);
    return ambient_bind(office->user, client->name);
}

static int submit(void *arg)
{
    struct client *client = arg;
    struct office *office = client->office;
    int cured = office->run->storage == LEAK_CURED, result = 0;
    int rc = ambient_bind(office->user, client->name);
    leak_does(office->run, "user = %s, %s", client->name,
              cured ? "to_thread" : "run_in_executor");
    if (rc == 0)
        rc = cured ? nook_to_thread(job, client, &result)
                   : nook_run_in_executor(job, client, &result);
    return rc != 0 ? rc : result;
}

static int open_office(void *arg)
{
    struct client alice = {arg, "alice"}, bob = {arg, "bob"}, carol = {arg, "carol"};
    struct leak_actor clients[CLIENTS] = {
        {"alice", submit, &alice}, {"bob", submit, &bob}, {"carol", submit, &carol}};
    return leak_together(clients, CLIENTS);
}

static int run_bare_executor(struct leak_run *run)
{
    struct office office = {.run = run};
    int rc = ambient_open(&office.user, run->storage, "user", NULL);
    if (rc != 0)
        return rc;
    rc = leak_play(open_office, &office, NULL);
    ambient_close(office.user);
    return rc;
}

const struct leak_case leak_bare_executor = {
    .name = "bare-executor",
    .title = "run_in_executor leaves the context behind: a job finds an earlier job's.",
    .seen = "CPython bpo-34014; tornado#2758",
    .cure = "to_thread, which runs the job in a copy of the caller's context",
    .promise =
        {
            /* alice's job finds nothing, bob's finds alice, carol's finds bob. */
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{CLIENTS, CLIENTS}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{CLIENTS, CLIENTS}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{CLIENTS, CLIENTS}}},
            [LEAK_CURED] = {LEAK_EXACT, 1, {{0, CLIENTS}}},
        },
    .run = run_bare_executor,
};
