/* SPDX-License-Identifier: MIT */
/*
 * Waiting for some of several tasks, for a time.
 *
 * A watch has one joiner for each task. Whatever ends it takes all of them out of
 * the lists, under the lock, before the task that waits can run.
 */
#include "run.h"

#include <nook/wait.h>
#include <stdlib.h>

struct watch {
    struct nook__wait wait;
    struct nook__timer timer;
    nook_task *self;
    nook_task *const *tasks;
    struct nook__joiner *joiners;
    size_t n, left;
    nook_wait_until until;
    int cancelled_too; /* a task that was cancelled counts as failed */
    int over, error;   /* the first that counts */
    uint64_t ns;
    size_t asked; /* of them, how many a cancel has gone on to */
    int forwarded;
};

static void count(struct watch *watch, const nook_task *task)
{
    int failed = task->body->result < 0 &&
                 (watch->cancelled_too || task->body->result != NOOK_ECANCELED);
    if (failed && watch->error == 0)
        watch->error = task->body->result;
    if (--watch->left == 0 || watch->until == NOOK_FIRST_COMPLETED ||
        (failed && watch->until == NOOK_FIRST_ERROR))
        watch->over = 1;
}

/* From the beginning: who has ended by now. */
static int count_all(struct watch *watch)
{
    watch->left = watch->n;
    watch->over = watch->n == 0;
    watch->error = 0;
    for (size_t i = 0; i < watch->n; i++)
        if (nook_task_done(watch->tasks[i]))
            count(watch, watch->tasks[i]);
    return watch->over;
}

static void undo(struct nook__wait *wait, nook_task *task)
{
    struct watch *watch = NOOK__CONTAINER(wait, struct watch, wait);
    nook__timer_remove(task->run, &watch->timer);
    for (size_t i = 0; i < watch->n; i++)
        nook__list_remove(&watch->joiners[i].link);
}

static void stop(struct watch *watch, int result)
{
    undo(&watch->wait, watch->self);
    nook__wake(watch->self, result);
}

static void one_ended(struct nook__joiner *joiner, nook_task *task)
{
    struct watch *watch = joiner->owner;
    count(watch, task);
    if (watch->over)
        stop(watch, 0);
}

static void time_came(struct nook__run *run, struct nook__timer *timer)
{
    (void)run;
    stop(NOOK__CONTAINER(timer, struct watch, timer), NOOK_ETIMEDOUT);
}

static int begin(struct nook__wait *wait, nook_task *task)
{
    struct watch *watch = NOOK__CONTAINER(wait, struct watch, wait);
    watch->self = task;
    watch->timer = (struct nook__timer){.fire = time_came};
    if (count_all(watch))
        return 0;
    if (watch->ns != NOOK_FOREVER) {
        wait->result = nook__timer_add(task->run, &watch->timer, watch->ns);
        if (wait->result != 0)
            return 0;
    }
    for (size_t i = 0; i < watch->n; i++) {
        struct nook__joiner *joiner = &watch->joiners[i];
        *joiner = (struct nook__joiner){.ended = one_ended, .owner = watch};
        nook__list_init(&joiner->link);
        if (!nook_task_done(watch->tasks[i]))
            nook__list_append(&watch->tasks[i]->body->joiners, &joiner->link);
    }
    return 1;
}

/* A cancel goes on to the tasks. */
static nook_task *next(struct nook__wait *wait, int again)
{
    struct watch *watch = NOOK__CONTAINER(wait, struct watch, wait);
    if (again) {
        watch->forwarded = 1;
        watch->asked = 0;
        return NULL;
    }
    while (watch->asked < watch->n) {
        nook_task *task = watch->tasks[watch->asked++];
        if (!nook_task_done(task))
            return task;
    }
    return NULL;
}

static int keep_watch(struct watch *watch)
{
    enum { FEW = 8 };
    struct nook__joiner few[FEW];
    watch->wait.begin = begin;
    watch->wait.undo = undo;
    watch->wait.kind = "tasks";
    watch->wait.empty = 1;
    if (count_all(watch))
        return 0;
    struct nook__joiner *joiners = watch->n > FEW ? calloc(watch->n, sizeof(few[0])) : few;
    if (joiners == NULL)
        return NOOK_ENOMEM;
    watch->joiners = joiners;
    int rc = nook__park(&watch->wait);
    watch->joiners = NULL;
    if (joiners != few)
        free(joiners);
    return rc;
}

int nook_wait(nook_task *const *tasks, size_t n, nook_wait_until until, uint64_t ns,
              size_t *done)
{
    struct watch watch = {.tasks = tasks, .n = n, .until = until, .ns = ns};
    int rc = nook__tasks_check(tasks, n);
    if (rc != 0)
        return rc;
    if (n == 0 || (unsigned)until > NOOK_FIRST_ERROR)
        return NOOK_EINVAL;
    rc = keep_watch(&watch);
    size_t ended = 0;
    for (size_t i = 0; i < n; i++)
        ended += (size_t)nook_task_done(tasks[i]);
    if (done != NULL)
        *done = ended;
    return rc;
}

int nook_gather_first_error(nook_task *const *tasks, size_t n, int *results)
{
    struct watch watch = {.wait.next = next,
                          .tasks = tasks,
                          .n = n,
                          .until = NOOK_FIRST_ERROR,
                          .cancelled_too = 1,
                          .ns = NOOK_FOREVER};
    int rc = nook__tasks_check(tasks, n);
    if (rc != 0)
        return rc;
    rc = keep_watch(&watch);
    if (rc == 0)
        rc = watch.error;
    if (rc == 0 && watch.forwarded)
        rc = NOOK_ECANCELED;
    for (size_t i = 0; i < n; i++) {
        if (!nook_task_done(tasks[i])) /* what it did is seen from here on */
            continue;
        int result = nook__result(tasks[i]);
        if (rc == 0 && results != NULL)
            results[i] = result;
    }
    return rc;
}

int nook_shield(nook_task *task, int *result)
{
    int rc = nook_wait(&task, 1, NOOK_ALL_COMPLETED, NOOK_FOREVER, NULL);
    if (rc == 0 && result != NULL)
        *result = nook__result(task);
    return rc;
}

/* --- wait_for --------------------------------------------------------------- */

static int join(void *arg)
{
    int result, rc = nook_task_join(arg, &result);
    return rc;
}

/* Under a deadline. *result is what the call said; it may have given in to the deadline. */
static int call_until(nook_task_fn fn, void *arg, uint64_t ns, int *result)
{
    nook_deadline deadline;
    int rc = nook_deadline_enter_at(&deadline, ns, NULL, 0);
    if (rc != 0)
        return rc;
    nook_task *task = nook_task_current();
    const struct nook__deadline *own = task->body->life->deadline;
    *result = fn(arg);
    int left = nook__deadlines_left(task, own), ended = nook_deadline_exit(&deadline);
    if (left)
        return NOOK_ESCOPE;
    if (*result != NOOK_ECANCELED)
        return 0;
    return ended == NOOK_ETIMEDOUT ? NOOK_ETIMEDOUT : NOOK_ECANCELED;
}

int nook_wait_for(nook_task_fn fn, void *arg, uint64_t ns, int *result)
{
    int answer = 0, rc = 0;
    if (fn == NULL)
        return NOOK_EINVAL;
    if (nook_task_current() == NULL)
        return nook__no_task();
    if (ns == 0) {
        rc = nook_yield();
        return rc != 0 ? rc : NOOK_ETIMEDOUT;
    }
    if (ns != NOOK_FOREVER)
        rc = call_until(fn, arg, ns, &answer);
    else if ((answer = fn(arg)) == NOOK_ECANCELED)
        rc = NOOK_ECANCELED;
    if (rc == 0 && result != NULL)
        *result = answer;
    return rc;
}

/* No time at all: it is cancelled at once. */
static int cancel_and_join(nook_task *task, int *result)
{
    int rc = nook_task_cancel(task);
    if (rc == 0)
        rc = nook_task_join(task, result);
    return rc == 0 && *result == NOOK_ECANCELED ? NOOK_ETIMEDOUT : rc;
}

int nook_task_wait_for(nook_task *task, uint64_t ns, int *result)
{
    int answer = 0, rc = nook__tasks_check(&task, 1);
    if (rc != 0)
        return rc;
    if (nook_task_done(task) || ns == NOOK_FOREVER)
        return nook_task_join(task, result);
    if (ns == 0)
        rc = cancel_and_join(task, &answer);
    else
        rc = call_until(join, task, ns, &answer);
    if (rc == 0 && answer < 0 && ns != 0)
        rc = answer; /* the join's own error */
    if (rc == 0 && result != NULL)
        *result = nook__result(task);
    return rc;
}

/* --- as they come ------------------------------------------------------------- */

struct completion {
    struct nook__joiner joiner; /* in the task's list, then in `ended` until it was given */
    nook_task *task;
};

struct nook_completions {
    struct nook__run *run;
    struct nook__link ended;
    struct next_wait *waiting;
    uint64_t until;
    size_t n, given;
    struct completion all[];
};

struct next_wait {
    struct nook__wait wait;
    struct nook__timer timer;
    nook_task *self;
    nook_completions *of;
};

static void leave_next(struct nook__wait *wait, nook_task *task)
{
    struct next_wait *waiting = NOOK__CONTAINER(wait, struct next_wait, wait);
    nook__timer_remove(task->run, &waiting->timer);
    waiting->of->waiting = NULL;
}

static void wake_next(struct next_wait *waiting, int result)
{
    leave_next(&waiting->wait, waiting->self);
    nook__wake(waiting->self, result);
}

static void time_came_for_next(struct nook__run *run, struct nook__timer *timer)
{
    (void)run;
    wake_next(NOOK__CONTAINER(timer, struct next_wait, timer), NOOK_ETIMEDOUT);
}

static void completed(struct nook__joiner *joiner, nook_task *task)
{
    nook_completions *completions = joiner->owner;
    (void)task;
    nook__list_append(&completions->ended, &joiner->link);
    if (completions->waiting != NULL)
        wake_next(completions->waiting, 0);
}

static int begin_next(struct nook__wait *wait, nook_task *task)
{
    struct next_wait *waiting = NOOK__CONTAINER(wait, struct next_wait, wait);
    nook_completions *completions = waiting->of;
    waiting->self = task;
    if (!nook__list_empty(&completions->ended))
        return 0;
    if (completions->waiting != NULL) {
        wait->result = NOOK_EBUSY;
        return 0;
    }
    if (completions->until != NOOK_FOREVER)
        wait->result = nook__timer_at(task->run, &waiting->timer, completions->until);
    if (wait->result == 0)
        completions->waiting = waiting;
    return wait->result == 0;
}

int nook_as_completed(nook_completions **out, nook_task *const *tasks, size_t n, uint64_t ns)
{
    struct nook__worker *worker = nook__here();
    if (out == NULL || (tasks == NULL && n != 0))
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    for (size_t i = 0; i < n; i++)
        if (tasks[i] == NULL || nook__task_foreign(tasks[i]))
            return NOOK_EINVAL;
    nook_completions *completions =
        calloc(1, sizeof(*completions) + n * sizeof(completions->all[0]));
    if (completions == NULL)
        return NOOK_ENOMEM;
    uint64_t now = nook_now();
    completions->run = worker->run;
    completions->n = n;
    completions->until = ns < NOOK_FOREVER - now ? now + ns : NOOK_FOREVER;
    nook__list_init(&completions->ended);
    nook__lock(worker->run);
    for (size_t i = 0; i < n; i++) {
        struct completion *completion = &completions->all[i];
        completion->task = nook_task_ref(tasks[i]);
        completion->joiner = (struct nook__joiner){.ended = completed, .owner = completions};
        nook__list_append(nook_task_done(tasks[i]) ? &completions->ended
                                                   : &tasks[i]->body->joiners,
                          &completion->joiner.link);
    }
    nook__unlock(worker->run);
    *out = completions;
    return 0;
}

/* The first that has ended and was not given; NULL: none. */
static nook_task *give_next(nook_completions *completions)
{
    nook_task *task = NULL;
    nook__lock(completions->run);
    if (!nook__list_empty(&completions->ended)) {
        struct nook__link *link = completions->ended.next;
        nook__list_remove(link);
        task = NOOK__CONTAINER(link, struct completion, joiner.link)->task;
        completions->given++;
    }
    nook__unlock(completions->run);
    return task;
}

int nook_completions_next(nook_completions *completions, nook_task **task)
{
    struct next_wait waiting = {.wait = {.begin = begin_next,
                                         .undo = leave_next,
                                         .empty = 1,
                                         NOOK__WAITS("the next task to end")},
                                .timer = {.fire = time_came_for_next},
                                .of = completions};
    nook_task *self = nook_task_current();
    if (completions == NULL || task == NULL)
        return NOOK_EINVAL;
    if (self == NULL || self->run != completions->run)
        return nook__no_task();
    while ((*task = give_next(completions)) == NULL) {
        if (completions->given == completions->n)
            return NOOK_EEND;
        waiting.wait.result = 0;
        int rc = nook__park(&waiting.wait);
        if (rc != 0)
            return rc;
    }
    (void)nook_task_done(*task); /* what it did is seen from here on */
    return 0;
}

void nook_completions_free(nook_completions *completions)
{
    struct nook__worker *worker = nook__here();
    if (completions == NULL)
        return;
    if (worker != NULL && worker->run == completions->run) {
        nook__lock(worker->run);
        for (size_t i = 0; i < completions->n; i++)
            nook__list_remove(&completions->all[i].joiner.link);
        nook__unlock(worker->run);
    }
    for (size_t i = 0; i < completions->n; i++)
        nook_task_unref(completions->all[i].task);
    free(completions);
}
