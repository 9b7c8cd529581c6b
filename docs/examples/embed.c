/* SPDX-License-Identifier: MIT */
#include <nook/context.h>
#include <stdio.h>
#include <ucontext.h>

static NOOK_VAR_DEFINE(user);

struct coroutine {
    ucontext_t at, resumer;
    nook_context *state; /* its chain of contexts, while it does not run */
    char *name;
    char stack[64 * 1024];
};

static struct coroutine *running;

static void resume(struct coroutine *coroutine)
{
    nook_context *mine = nook_state_swap(coroutine->state);
    running = coroutine;
    swapcontext(&coroutine->resumer, &coroutine->at);
    coroutine->state = nook_state_swap(mine);
}

static void suspend(void)
{
    swapcontext(&running->at, &running->resumer);
}

static void serve(void)
{
    char *name = running->name;
    nook_var_set(&user, name, NULL);
    suspend(); /* the other one binds its own user now */
    printf("%s sees %s's page\n", name, (char *)nook_var_get_or(&user, "nobody"));
}

static void start(struct coroutine *coroutine)
{
    getcontext(&coroutine->at);
    coroutine->at.uc_stack.ss_sp = coroutine->stack;
    coroutine->at.uc_stack.ss_size = sizeof coroutine->stack;
    coroutine->at.uc_link = &coroutine->resumer; /* where serve returns to */
    makecontext(&coroutine->at, serve, 0);
}

int main(void)
{
    static struct coroutine all[2] = {{.name = "alice"}, {.name = "bob"}};
    for (int i = 0; i < 2; i++)
        start(&all[i]);
    for (int turn = 0; turn < 4; turn++)
        resume(&all[turn % 2]);
    for (int i = 0; i < 2; i++)
        nook_state_drop(all[i].state);
    printf("main sees %s's page\n", (char *)nook_var_get_or(&user, "nobody"));
    return 0;
}
