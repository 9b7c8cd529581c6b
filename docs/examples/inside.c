/* SPDX-License-Identifier: MIT */
#define NOOK_PARK_SITES
#include <nook/nook.h>
#include <unistd.h>

static NOOK_VAR_DEFINE(request_id);
static NOOK_VAR_DEFINE(password);
static nook_lock accounts, orders;

static int transfer(void *arg)
{
    (void)arg;
    nook_lock_acquire(&accounts);
    nook_sleep(1000000);
    return nook_lock_acquire(&orders);
}

static int report(void *arg)
{
    (void)arg;
    nook_task *child;
    nook_lock_acquire(&orders);
    nook_task_spawn(&child, transfer, NULL, &(nook_task_options){.name = "transfer"});
    nook_sleep(2000000);
    nook_lock_acquire(&accounts);
    nook_task_unref(child);
    return 0;
}

static int serve(void *arg)
{
    nook_task *request;
    nook_var_set(&request_id, (void *)4711, NULL);
    nook_var_set(&password, "hunter2", NULL);
    nook_task_spawn(&request, report, arg, &(nook_task_options){.name = "report"});
    int rc = nook_task_join(request, NULL);
    nook_task_unref(request);
    return rc;
}

static void deadlocked(void *user)
{
    (void)user;
    nook_dump(STDOUT_FILENO);
}

int main(void)
{
    nook_watch watch = {.deadlocked = deadlocked};
    nook_run_options options = {.name = "serve", .watch = &watch};
    nook_schedule *schedule; /* virtual time: the same report each time */
    nook_dump_printer(&request_id, nook_dump_number, NULL);
    nook_dump_printer(&password, nook_dump_redacted, NULL);
    if (nook_schedule_new(&schedule, NULL) != 0)
        return 1;
    int rc = nook_schedule_run(schedule, serve, NULL, &options, NULL);
    nook_schedule_free(schedule);
    return rc != NOOK_EDEADLK;
}
