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

/* 1: it is to be passed on. */
static int deliver(nook_task *task)
{
    if (task->told)
        return 0;
    if (task->wait == NULL || task->wait->undo == NULL)
        task->must_cancel = 1;
    else if (task->wait->next != NULL)
        return 1;
    else
        nook__interrupt(task);
    return 0;
}

int nook__take_cancel(nook_task *task)
{
    if (!atomic_load_explicit(&task->must_cancel, memory_order_relaxed))
        return 0;
    nook__lock(task->run);
    int taken = task->must_cancel;
    task->must_cancel = 0;
    nook__unlock(task->run);
    return taken;
}

/* The path down to the task that is being asked leads through `passing`. */
static nook_task *go_down(nook_task *from, nook_task *to)
{
    to->passing = 1;
    to->passed_on = 0;
    to->passed_by = from;
    (void)to->wait->next(to->wait, 1);
    return to;
}

/* A circle has nobody but those on the path: the last of them must give in itself. */
static nook_task *go_up(nook_task *task)
{
    task->passing = 0;
    if (!task->passed_on)
        nook__interrupt(task);
    return task->passed_by;
}

void nook__pass_on(nook_task *task)
{
    task = go_down(NULL, task);
    while (task != NULL) {
        nook_task *next = task->wait->next(task->wait, 0);
        if (next == NULL) {
            task = go_up(task);
        } else if (!next->passing) {
            task->passed_on = 1;
            next->requests++;
            if (deliver(next))
                task = go_down(task, next);
        }
    }
}

void nook__cancel(nook_task *task)
{
    if (nook_task_done(task))
        return;
    task->requests++;
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
    if (task->requests > 0 && --task->requests == 0)
        task->must_cancel = 0;
    return task->requests;
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
        return task->requests;
    nook__lock(worker->run);
    requests = task->requests;
    nook__unlock(worker->run);
    return requests;
}

/* --- deadlines ------------------------------------------------------------ */

enum { ENTERED = 1, EXPIRED };

_Static_assert(sizeof(struct nook__timer) <= sizeof(((nook_deadline *)0)->nook__timer),
               "a deadline has room for its timer");

static struct nook__timer *timer_of(nook_deadline *deadline)
{
    return (struct nook__timer *)(void *)deadline->nook__timer;
}

static void expire(struct nook__run *run, struct nook__timer *timer)
{
    nook_deadline *deadline = NOOK__CONTAINER(timer, nook_deadline, nook__timer);
    (void)run;
    __atomic_store_n(&deadline->nook__state, EXPIRED, __ATOMIC_RELAXED);
    nook__cancel(deadline->nook__task);
}

static int is_inside(const nook_task *task, const nook_deadline *deadline)
{
    for (const nook_deadline *scope = task->deadline; scope != NULL; scope = scope->nook__outer)
        if (scope == deadline)
            return 1;
    return 0;
}

int nook_deadline_enter(nook_deadline *deadline, uint64_t ns)
{
    nook_task *task = nook_task_current();
    if (deadline == NULL)
        return NOOK_EINVAL;
    if (task != NULL && is_inside(task, deadline))
        return NOOK_EBUSY;
    deadline->nook__state = 0;
    deadline->nook__task = NULL;
    if (task == NULL)
        return nook__no_task();
    *timer_of(deadline) = (struct nook__timer){.fire = expire};
    deadline->nook__task = task;
    deadline->nook__outer = task->deadline;
    nook__lock(task->run);
    int rc = nook__timer_add(task->run, timer_of(deadline),
                             ns); /* from now on another worker may find that it is time */
    deadline->nook__cancelling = task->requests;
    deadline->nook__state = rc == 0 ? ENTERED : 0;
    nook__unlock(task->run);
    if (rc == 0)
        task->deadline = deadline;
    return rc;
}

/* The owner asks without the lock, while another worker may be at it. */
static unsigned state_of(const nook_deadline *deadline)
{
    return __atomic_load_n(&deadline->nook__state, __ATOMIC_RELAXED);
}

/* The calling task, if the scope is one of its own. */
static nook_task *owner(const nook_deadline *deadline)
{
    nook_task *task = nook_task_current();
    if (deadline == NULL || task == NULL || deadline->nook__task != task)
        return NULL;
    return state_of(deadline) != 0 ? task : NULL;
}

int nook_deadline_reschedule(nook_deadline *deadline, uint64_t ns)
{
    nook_task *task = owner(deadline);
    int rc = NOOK_EINVAL;
    if (task == NULL)
        return nook__lost() != NULL ? NOOK_EFORKED : NOOK_EINVAL;
    nook__lock(task->run);
    if (deadline->nook__state == ENTERED) {
        nook__timer_remove(task->run, timer_of(deadline));
        rc = nook__timer_add(task->run, timer_of(deadline), ns);
    }
    nook__unlock(task->run);
    return rc;
}

int nook_deadline_expired(const nook_deadline *deadline)
{
    return deadline != NULL && state_of(deadline) == EXPIRED;
}

int nook_deadline_exit(nook_deadline *deadline)
{
    nook_task *task = owner(deadline);
    int rc = 0;
    if (nook__lost() != NULL)
        return NOOK_EFORKED;
    if (task == NULL || task->deadline != deadline)
        return NOOK_EINVAL;
    task->deadline = deadline->nook__outer;
    nook__lock(task->run);
    nook__timer_remove(task->run, timer_of(deadline)); /* until now it could come to its time */
    deadline->nook__task = NULL;
    if (deadline->nook__state == EXPIRED)
        rc = nook__uncancel(task) <= deadline->nook__cancelling ? NOOK_ETIMEDOUT
                                                                : NOOK_ECANCELED;
    nook__unlock(task->run);
    return rc;
}
