/* SPDX-License-Identifier: MIT */
/*
 * Signal masks of tasks.
 *
 * The kernel knows threads alone, so a mask is a task's by two system calls round each of
 * its parks. Only a task that has asked for a mask that is not its worker's pays for them:
 * it counts as unusual then, which a park looks at in any case, because a task that ends
 * is unusual too.
 *
 * While the task runs, `own` is what the kernel has for the thread, and `workers` what it
 * had before and gets back. What a library changes meanwhile is the task's as well: the
 * kernel is asked at each park.
 */
#include "run.h"

#include <nook/signal.h>
#include <signal.h>
#include <stdlib.h>

struct nook__mask {
    nook_task *task;
    sigset_t own, workers;
    int carried; /* the two differ */
};

void nook__mask_off(struct nook__mask *mask)
{
    pthread_sigmask(SIG_SETMASK, &mask->workers, &mask->own);
}

void nook__mask_on(struct nook__mask *mask)
{
    pthread_sigmask(SIG_SETMASK, &mask->own, &mask->workers);
}

static void give_back(void *user)
{
    struct nook__mask *mask = user;
    if (mask->carried)
        nook__mask_off(mask);
    mask->task->body->life->mask = NULL;
    free(mask);
}

static int require_mask(nook_task *task)
{
    if (task->body->life->mask != NULL)
        return 0;
    struct nook__mask *mask = calloc(1, sizeof(*mask));
    if (mask == NULL)
        return NOOK_ENOMEM;
    int rc = nook_task_at_end(give_back, mask);
    if (rc != 0) {
        free(mask);
        return rc;
    }
    mask->task = task;
    task->body->life->mask = mask;
    return 0;
}

/* Byte by byte would not do: the kernel's sets are shorter than libc's. */
static int differ(const sigset_t *one, const sigset_t *other)
{
    for (int signo = 1; signo <= SIGRTMAX; signo++)
        if (sigismember(one, signo) != sigismember(other, signo))
            return 1;
    return 0;
}

int nook_task_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    nook_task *task = nook_task_current();
    sigset_t before, now;
    if (task == NULL)
        return nook__no_task();
    int rc = set != NULL ? require_mask(task) : 0;
    if (rc != 0)
        return rc;
    if (pthread_sigmask(how, set, &before) != 0)
        return NOOK_EINVAL;
    if (old != NULL)
        *old = before;
    if (set == NULL)
        return 0;
    if (!task->body->life->mask->carried)
        task->body->life->mask->workers = before;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    task->body->life->mask->carried = differ(&now, &task->body->life->mask->workers);
    if (task->body->life->ending || task->body->life->mask->carried)
        nook__mark(task->body, NOOK__UNUSUAL);
    else
        nook__unmark(task->body, NOOK__UNUSUAL);
    return 0;
}

void nook__workers_mask(sigset_t *out)
{
    const nook_task *task = nook_task_current();
    if (task != NULL && task->body->life->mask != NULL && task->body->life->mask->carried)
        *out = task->body->life->mask->workers;
    else
        pthread_sigmask(SIG_BLOCK, NULL, out);
}
