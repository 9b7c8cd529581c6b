/* SPDX-License-Identifier: MIT */
/* Coroutines by hand for the suites of the lowest layer, and children that may die. */
#ifndef TESTS_TASK_COROUTINE_H
#define TESTS_TASK_COROUTINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nook/error.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task/annotate.h"
#include "task/stack.h"
#include "task/switch.h"

/* Every task does its work between two switches with its owner. */
struct coroutine {
    struct nook__switch here, owner;
    struct nook__fiber fiber, owner_fiber;
    struct nook__stack stack;
    struct nook__stacks *pool;
    void (*body)(struct coroutine *self);
    void *user;
    int done;
};

NOOK__UNINSTRUMENTED static inline void coroutine_yield(struct coroutine *self)
{
    nook__fiber_leave(&self->fiber, &self->owner_fiber, 0);
    nook__switch(&self->here, &self->owner);
    nook__fiber_arrive(&self->fiber);
}

NOOK__UNINSTRUMENTED static inline void coroutine_resume(struct coroutine *self)
{
    nook__fiber_thread(&self->owner_fiber);
    nook__fiber_leave(&self->owner_fiber, &self->fiber, 0);
    nook__switch(&self->owner, &self->here);
    nook__fiber_arrive(&self->owner_fiber);
}

/* For entry functions: ends with that. */
NOOK__UNINSTRUMENTED static inline struct nook__exit coroutine_exit(struct coroutine *self)
{
    nook__fiber_leave(&self->fiber, &self->owner_fiber, 1);
    return (struct nook__exit){&self->owner, NULL};
}

NOOK__UNINSTRUMENTED static inline struct nook__exit coroutine_entry(void *arg)
{
    struct coroutine *self = arg;
    nook__fiber_arrive(&self->fiber);
    self->body(self);
    self->done = 1;
    return coroutine_exit(self);
}

static inline int coroutine_start(struct coroutine *self, struct nook__stacks *pool,
                                  void (*body)(struct coroutine *self), void *user)
{
    memset(self, 0, sizeof *self);
    self->pool = pool;
    self->body = body;
    self->user = user;
    int rc = nook__stack_get(pool, &self->stack);
    if (rc != 0)
        return rc;
    char *top = nook__stack_top(&self->stack);
    nook__fiber_new(&self->fiber, self->stack.low, self->stack.size);
    return nook__switch_prepare(&self->here, self->stack.low, (size_t)(top - self->stack.low),
                                coroutine_entry, NULL, self);
}

static inline void coroutine_free(struct coroutine *self)
{
    nook__fiber_free(&self->fiber);
    nook__switch_discard(&self->here);
    nook__stack_put(self->pool, &self->stack);
}

/*
 * Runs fn in a child process that starts with the default SIGSEGV and leaves
 * no core, and returns its wait status. fn ends it by returning, with the exit
 * code. What the child writes to standard error is kept in `said`.
 */
static inline int in_child(int (*fn)(void), char *said, size_t room)
{
    int pipes[2], status = -1;
    size_t used = 0;
    if (pipe(pipes) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        _exit(fn());
    }
    close(pipes[1]);
    for (ssize_t n = 1; n > 0 && used + 1 < room; used += n > 0 ? (size_t)n : 0)
        n = read(pipes[0], said + used, room - 1 - used);
    said[used] = '\0';
    close(pipes[0]);
    if (child > 0)
        waitpid(child, &status, 0);
    return status;
}

/* For children that say nothing that matters. */
static inline int status_of(int (*fn)(void))
{
    char text[4096];
    return in_child(fn, text, sizeof text);
}

/* Set-up and tear-down of a pool in *state; the tear-down counts. */
static inline int pool_setup(void **state)
{
    struct nook__stacks *pool = NULL;
    if (nook__stacks_live() != 0 || nook__stacks_new(&pool, 0) != 0)
        return -1;
    *state = pool;
    return 0;
}

static inline int pool_teardown(void **state)
{
    nook__stacks_free(*state);
    return nook__stacks_live() == 0 ? 0 : -1;
}

#endif
