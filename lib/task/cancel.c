/* SPDX-License-Identifier: MIT */
/*
 * Cancellation and deadlines, as asyncio has them.
 *
 * A request is counted until somebody takes it back. What is delivered is the
 * fact that there are some: to the wait that the task is in, or to its next one,
 * and once however many came before the task runs again. A wait that is over, but whose
 * task has not run since, still counts where its end handed nothing over. A task that waits for
 * others passes it on to them, as far as the chain goes; no task ends meanwhile,
 * because that takes the lock.
 */
#include "run.h"

#include <stdlib.h>

/* 1: it is to be passed on. */
static int deliver(nook_task *task)
{
    if (nook__is(task->body, NOOK__TOLD))
        return 0;
    if (task->body->life->wait == NULL || task->body->life->wait->undo == NULL)
        nook__mark(task->body, NOOK__TO_CANCEL);
    else if (task->body->life->wait->next != NULL)
        return 1;
    else
        nook__interrupt(task);
    return 0;
}

int nook__take_cancel(nook_task *task)
{
    if (!nook__is(task->body, NOOK__TO_CANCEL))
        return 0;
    nook__lock(task->run);
    int taken = nook__is(task->body, NOOK__TO_CANCEL);
    nook__unmark(task->body, NOOK__TO_CANCEL);
    nook__unlock(task->run);
    return taken;
}

/* The path down to the task that is being asked leads through `passing`. */
static nook_task *go_down(nook_task *from, nook_task *to)
{
    to->body->life->passing = 1;
    to->body->life->passed_on = 0;
    to->body->life->passed_by = from;
    (void)to->body->life->wait->next(to->body->life->wait, 1);
    return to;
}

/* A circle has nobody but those on the path: the last of them must give in itself. */
static nook_task *go_up(nook_task *task)
{
    task->body->life->passing = 0;
    if (!task->body->life->passed_on)
        nook__interrupt(task);
    return task->body->life->passed_by;
}

void nook__pass_on(nook_task *task)
{
    task = go_down(NULL, task);
    while (task != NULL) {
        nook_task *next = task->body->life->wait->next(task->body->life->wait, 0);
        if (next == NULL) {
            task = go_up(task);
        } else if (!next->body->life->passing) {
            task->body->life->passed_on = 1;
            next->body->requests++;
            if (deliver(next))
                task = go_down(task, next);
        }
    }
}

void nook__cancel(nook_task *task)
{
    if (nook_task_done(task))
        return;
    task->body->requests++;
    if (deliver(task))
        nook__pass_on(task);
}

/* A task of another run is under another lock. Once it has ended, none is needed. */
int nook__task_foreign(const nook_task *task)
{
    struct nook__worker *worker = nook__here();
    return !nook_task_done(task) && (worker == NULL || task->run != worker->run);
}

int nook_task_cancel(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    if (task == NULL)
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    if (nook__task_foreign(task))
        return NOOK_EINVAL;
    nook__lock(worker->run);
    nook__cancel(task);
    nook__unlock(worker->run);
    return 0;
}

unsigned nook__uncancel(nook_task *task)
{
    if (task->body->requests > 0 && --task->body->requests == 0)
        nook__unmark(task->body, NOOK__TO_CANCEL);
    return task->body->requests;
}

unsigned nook_task_uncancel(nook_task *task)
{
    struct nook__worker *worker = nook__here();
    unsigned left = 0;
    if (task == NULL || worker == NULL || nook__task_foreign(task) || nook_task_done(task))
        return 0;
    nook__lock(worker->run);
    left = nook__uncancel(task);
    nook__unlock(worker->run);
    return left;
}

unsigned nook_task_cancelling(const nook_task *task)
{
    struct nook__worker *worker = nook__here();
    unsigned requests;
    if (task == NULL || nook__task_foreign(task))
        return 0;
    if (nook_task_done(task))
        return task->body->requests;
    nook__lock(worker->run);
    requests = task->body->requests;
    nook__unlock(worker->run);
    return requests;
}

/* --- deadlines ------------------------------------------------------------ */

/*
 * A deadline that is entered. It is not in the caller's storage, which may end before the scope
 * is exited: the timer must not fire there. `named` is compared, never followed.
 */
struct nook__deadline {
    struct nook__timer timer;
    nook_task *task;
    const nook_deadline *named;
    struct nook__deadline *outer;
    const char *file;
    unsigned line, requests; /* those that were there before */
    atomic_int expired;      /* its owner asks without the lock */
};

static void expire(struct nook__run *run, struct nook__timer *timer)
{
    struct nook__deadline *scope = NOOK__CONTAINER(timer, struct nook__deadline, timer);
    (void)run;
    atomic_store_explicit(&scope->expired, 1, memory_order_relaxed);
    nook__cancel(scope->task);
}

/* The calling task's; NULL: it is not inside. */
static struct nook__deadline *find(const nook_deadline *deadline)
{
    nook_task *task = nook_task_current();
    struct nook__deadline *scope = task != NULL ? task->body->life->deadline : NULL;
    while (scope != NULL && scope->named != deadline)
        scope = scope->outer;
    return scope;
}

/* Under the lock. One that never comes needs no timer, and hides no deadlock. */
static int set_timer(struct nook__deadline *scope, uint64_t ns)
{
    if (ns == NOOK_FOREVER) {
        scope->timer.when = NOOK_FOREVER;
        return 0;
    }
    return nook__timer_add(scope->task->run, &scope->timer, ns);
}

/* From here on another worker may find that it is time. */
static int arm(struct nook__deadline *scope, uint64_t ns)
{
    nook__lock(scope->task->run);
    int rc = set_timer(scope, ns);
    scope->requests = scope->task->body->requests;
    nook__unlock(scope->task->run);
    return rc;
}

int nook_deadline_enter_at(nook_deadline *deadline, uint64_t ns, const char *file,
                           unsigned line)
{
    nook_task *task = nook_task_current();
    if (deadline == NULL)
        return NOOK_EINVAL;
    if (find(deadline) != NULL)
        return NOOK_EBUSY;
    deadline->nook__expired = 0;
    if (task == NULL)
        return nook__no_task();
    struct nook__deadline *scope = malloc(sizeof(*scope));
    if (scope == NULL)
        return NOOK_ENOMEM;
    *scope = (struct nook__deadline){.timer = {.fire = expire},
                                     .task = task,
                                     .named = deadline,
                                     .outer = task->body->life->deadline,
                                     .file = file,
                                     .line = line};
    int rc = arm(scope, ns);
    if (rc == 0)
        task->body->life->deadline = scope;
    else
        free(scope);
    return rc;
}

int nook_deadline_reschedule(nook_deadline *deadline, uint64_t ns)
{
    struct nook__deadline *scope = find(deadline);
    int rc = NOOK_EINVAL;
    if (scope == NULL)
        return nook__lost() != NULL ? NOOK_EFORKED : NOOK_EINVAL;
    nook__lock(scope->task->run);
    if (!scope->expired) {
        nook__timer_remove(scope->task->run, &scope->timer);
        rc = set_timer(scope, ns);
    }
    nook__unlock(scope->task->run);
    return rc;
}

uint64_t nook_deadline_when(const nook_deadline *deadline)
{
    const struct nook__deadline *scope = find(deadline);
    return scope != NULL ? scope->timer.when : NOOK_FOREVER;
}

int nook_deadline_expired(const nook_deadline *deadline)
{
    const struct nook__deadline *scope = find(deadline);
    if (deadline == NULL)
        return 0;
    return scope != NULL ? atomic_load_explicit(&scope->expired, memory_order_relaxed)
                         : deadline->nook__expired;
}

/* Until this has the lock, it could come to its time. What the scope came to. */
static int close_innermost(nook_task *task)
{
    struct nook__deadline *scope = task->body->life->deadline;
    int rc = 0;
    task->body->life->deadline = scope->outer;
    nook__lock(task->run);
    nook__timer_remove(task->run, &scope->timer);
    if (scope->expired)
        rc = nook__uncancel(task) <= scope->requests ? NOOK_ETIMEDOUT : NOOK_ECANCELED;
    nook__unlock(task->run);
    free(scope);
    return rc;
}

int nook_deadline_exit(nook_deadline *deadline)
{
    nook_task *task = nook_task_current();
    if (nook__lost() != NULL)
        return NOOK_EFORKED;
    if (task == NULL || task->body->life->deadline == NULL ||
        task->body->life->deadline->named != deadline)
        return NOOK_EINVAL;
    int rc = close_innermost(task);
    deadline->nook__expired = rc != 0;
    return rc;
}

int nook__deadlines_left(nook_task *task, const struct nook__deadline *outer)
{
    int left = 0;
    if (nook__lost() != NULL) /* the lock may be held for ever */
        return 0;
    for (; task->body->life->deadline != outer; left = 1) {
        nook__scope_left(task, task->body->life->deadline->file,
                         task->body->life->deadline->line);
        (void)close_innermost(task);
    }
    return left;
}
