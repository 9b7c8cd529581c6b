/* SPDX-License-Identifier: MIT */
#include <nook/nook.h>
#include <stdio.h>

static NOOK_VAR_DEFINE(user);

static int serve(void *name)
{
    NOOK_SCOPED_SET(&user, name);
    nook_yield(); /* the other task binds its own user now, on the same thread */
    printf("%s sees %s's page\n", (char *)name, (char *)nook_var_get_or(&user, "nobody"));
    return 0;
}

static int server(void *arg)
{
    nook_task *tasks[2] = {NULL, NULL};
    (void)arg;
    nook_task_spawn(&tasks[0], serve, "alice", NULL);
    nook_task_spawn(&tasks[1], serve, "bob", NULL);
    int rc = nook_gather(tasks, 2, NULL);
    nook_task_unref(tasks[0]);
    nook_task_unref(tasks[1]);
    return rc;
}

int main(void)
{
    return nook_run(server, NULL, NULL, NULL) == 0 ? 0 : 1;
}
