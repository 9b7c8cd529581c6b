/* SPDX-License-Identifier: MIT */
/* Passes every probe, in an order that check_probes.sh knows. */
#include <nook/nook.h>

static NOOK_VAR_DEFINE(request_id);

static int child(void *arg)
{
    nook_context *context;
    (void)arg;
    int rc = nook_yield(); /* to the parent, which has started: without the worker */
    if (rc == 0)
        rc = nook_var_set(&request_id, (void *)8, NULL);
    if (rc == 0)
        rc = nook_context_copy_current(&context);
    if (rc != 0)
        return rc;
    rc = nook_context_enter(context);
    if (rc == 0)
        rc = nook_sleep(1000000);
    if (rc == 0)
        rc = nook_context_exit(context);
    nook_context_unref(context);
    return rc != 0 ? rc : 42;
}

static int parent(void *arg)
{
    const nook_task_options named = {.name = "child"};
    nook_task *task;
    int result = 0;
    (void)arg;
    int rc = nook_var_set(&request_id, (void *)7, NULL);
    if (rc == 0)
        rc = nook_task_spawn(&task, child, NULL, &named);
    if (rc != 0)
        return rc;
    rc = nook_yield();
    if (rc == 0)
        rc = nook_task_join(task, &result);
    nook_task_unref(task);
    return rc != 0 ? rc : result;
}

int main(void)
{
    int result = 0;
    return nook_run(parent, NULL, NULL, &result) == 0 && result == 42 ? 0 : 1;
}
