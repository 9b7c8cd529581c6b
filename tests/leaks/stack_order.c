/* SPDX-License-Identifier: MIT */
/*
 * stack-order: requests push a frame on a LocalStack, and pop it when they are
 * done. Where tasks share the stack, one pops the other's.
 */
#include "leaks.h"

struct site {
    struct leak_run *run;
    nook_local_stack *stack;
};

struct request {
    struct site *site;
    char *frame;
};

static int handle(void *arg)
{
    struct request *request = arg;
    struct site *site = request->site;
    void *popped = NULL;
    int rc = nook_local_stack_push(site->stack, request->frame);
    if (rc != 0)
        return rc;
    leak_does(site->run, "push %s", request->frame);
    nook_yield();
    rc = nook_local_stack_pop(site->stack, &popped);
    leak_reads(site->run, "popped", popped, request->frame);
    return rc;
}

static int serve(void *arg)
{
    struct request alice = {arg, "/alice"}, bob = {arg, "/bob"};
    struct leak_actor requests[] = {{"alice", handle, &alice}, {"bob", handle, &bob}};
    return leak_together(requests, 2);
}

static int run_stack_order(struct leak_run *run)
{
    nook_local_stack_options options = {.backing = leak_storage_backing(run->storage)};
    struct site site = {.run = run};
    int rc = nook_local_stack_new(&site.stack, &options);
    if (rc != 0)
        return rc;
    rc = leak_play(serve, &site, NULL);
    nook_local_stack_unref(site.stack);
    return rc;
}

const struct leak_case leak_stack_order = {
    .name = "stack-order",
    .title = "On one LocalStack, alice pushes, bob pushes, alice pops: bob's frame.",
    .seen = "Flask: Popped wrong request context",
    .promise =
        {
            [LEAK_THREAD] = {LEAK_EXACT, 1, {{2, 2}}},
            [LEAK_TASK] = {LEAK_EXACT, 1, {{0, 2}}},
            [LEAK_CONTEXT] = {LEAK_EXACT, 1, {{0, 2}}},
        },
    .run = run_stack_order,
};
