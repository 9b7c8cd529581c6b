/* SPDX-License-Identifier: MIT */
/*
 * A run from outside.
 *
 * Other threads touch nothing of a run but the inbox of its first worker, and that
 * only under the loop's lock and while `run` is not NULL. `pending` counts what was
 * sent and not delivered: a run that wants to end takes no more, ends only when that
 * is 0, and clears `run` under the same lock. So whatever was sent is delivered, nothing is
 * sent to a run that is gone, and nobody can keep one from its end by sending.
 *
 * Locks are taken in this order: the run's, the loop's.
 */
#include "contextlocal/keep.h"
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct nook_loop {
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t ended; /* a task has */
    struct nook__run *run;
    int over;      /* the run takes no more */
    unsigned refs; /* one is the run's, until it is over */
    unsigned pending, waiting;
};

static int new_loop(struct nook__run *run)
{
    pthread_condattr_t attr;
    nook_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL)
        return NOOK_ENOMEM;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->ended, &attr);
    pthread_condattr_destroy(&attr);
    loop->run = run;
    loop->refs = 1;
    run->loop = loop;
    return 0;
}

int nook_loop_running(nook_loop **out)
{
    struct nook__worker *worker = nook__here();
    int rc = 0;
    if (out == NULL)
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    if (worker->run->schedule != NULL)
        return NOOK_ENOTSUP;
    nook__lock(worker->run);
    if (worker->run->loop == NULL)
        rc = new_loop(worker->run);
    if (rc == 0)
        *out = nook_loop_ref(worker->run->loop);
    nook__unlock(worker->run);
    return rc;
}

nook_loop *nook_loop_ref(nook_loop *loop)
{
    if (loop == NULL)
        return NULL;
    pthread_mutex_lock(&loop->lock);
    loop->refs++;
    pthread_mutex_unlock(&loop->lock);
    return loop;
}

/* With the last one outside goes who might have woken somebody: the run looks again. */
void nook_loop_unref(nook_loop *loop)
{
    if (loop == NULL)
        return;
    pthread_mutex_lock(&loop->lock);
    unsigned left = --loop->refs;
    if (left == 1 && loop->run != NULL)
        nook__call(&loop->run->workers[0]);
    pthread_mutex_unlock(&loop->lock);
    if (left > 0)
        return;
    pthread_cond_destroy(&loop->ended);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}

/* --- by the run ----------------------------------------------------------------- */

int nook__loop_close(struct nook__run *run)
{
    nook_loop *loop = run->loop;
    if (loop == NULL)
        return 1;
    pthread_mutex_lock(&loop->lock);
    int quiet = loop->pending == 0;
    loop->over = 1;
    if (quiet)
        loop->run = NULL;
    pthread_mutex_unlock(&loop->lock);
    return quiet;
}

int nook__loop_held(struct nook__run *run)
{
    nook_loop *loop = run->loop;
    if (loop == NULL)
        return 0;
    pthread_mutex_lock(&loop->lock);
    int held = loop->pending > 0 || loop->refs > 1;
    pthread_mutex_unlock(&loop->lock);
    return held;
}

void nook__loop_task_ended(struct nook__run *run)
{
    nook_loop *loop = run->loop;
    if (loop == NULL)
        return;
    pthread_mutex_lock(&loop->lock);
    if (loop->waiting > 0)
        pthread_cond_broadcast(&loop->ended);
    pthread_mutex_unlock(&loop->lock);
}

/* --- letters ---------------------------------------------------------------------- */

struct letter {
    struct nook__message message;
    nook_loop *loop;
    nook_task *task;
    nook_task_options options; /* of a new task; its name is in the task already */
    nook_handle *handle;
    nook_context
        *given; /* its context, where that is no copy; promised until it is delivered */
    nook_event *event;
};

static struct letter *letter_of(struct nook__message *message)
{
    return NOOK__CONTAINER(message, struct letter, message);
}

/*
 * Under the loop's lock. A run that has cancelled everybody takes nothing new, and one with
 * no task left nothing at all: who sends could hold it up for ever.
 */
static int admits(const nook_loop *loop, enum nook__stage until)
{
    if (loop->over)
        return NOOK_ECLOSED;
    return loop->run->stage >= (int)until ? NOOK_ECANCELED : 0;
}

/* The run, where it takes this; *run may be gone by the time that it is looked at. */
static int ask(nook_loop *loop, struct nook__run **run, unsigned *workers)
{
    pthread_mutex_lock(&loop->lock);
    int rc = admits(loop, NOOK__LATE);
    *run = loop->run;
    if (rc == 0)
        *workers = loop->run->n_workers;
    pthread_mutex_unlock(&loop->lock);
    return rc;
}

static int post(const struct letter *what, enum nook__stage until,
                void (*deliver)(struct nook__run *run, struct nook__message *message))
{
    nook_loop *loop = what->loop;
    struct letter *letter = malloc(sizeof(*letter));
    if (letter == NULL)
        return NOOK_ENOMEM;
    *letter = *what;
    letter->message.event.kind = NOOK__MESSAGE;
    letter->message.deliver = deliver;
    pthread_mutex_lock(&loop->lock);
    int rc = admits(loop, until);
    if (rc == 0 && what->given != NULL)
        rc = nook__promise_context(loop->run, what->given);
    if (rc == 0) {
        loop->pending++;
        nook__send(&loop->run->workers[0], &letter->message.event);
    }
    pthread_mutex_unlock(&loop->lock);
    if (rc != 0)
        free(letter);
    return rc;
}

static void delivered(struct letter *letter)
{
    nook_loop *loop = letter->loop;
    pthread_mutex_lock(&loop->lock);
    loop->pending--;
    pthread_mutex_unlock(&loop->lock);
    free(letter);
}

/* --- tasks ------------------------------------------------------------------------ */

/* Also where the run has begun to take nothing new: then it does not start. */
static void deliver_task(struct nook__run *run, struct nook__message *message)
{
    struct letter *letter = letter_of(message);
    (void)nook__stacks_of(run, letter->options.stack_size, &letter->task->body->stacks);
    (void)nook__task_place(run, letter->task, &letter->options);
    if (letter->given != NULL)
        nook__context_unkeep(letter->given);
    nook__task_enlist(run, letter->task, &letter->options);
    delivered(letter);
}

int nook_loop_spawn(nook_loop *loop, nook_task **out, nook_task_fn fn, void *arg,
                    const nook_task_options *options)
{
    static const nook_task_options defaults;
    struct nook__run *run;
    unsigned workers = 0;
    nook_task *task;
    if (options == NULL)
        options = &defaults;
    if (loop == NULL || fn == NULL || options->eager ||
        (unsigned)options->start >= NOOK_START_SHARE ||
        nook__stack_check(options->stack_size) != 0)
        return NOOK_EINVAL;
    int rc = ask(loop, &run, &workers);
    if (rc == 0 && options->worker > workers)
        rc = NOOK_EINVAL;
    if (rc == 0)
        rc = nook__task_make(&task, run, fn, arg, options, NULL);
    if (rc != 0)
        return rc;
    nook__task_number(task);
    if (out == NULL) /* now, or else this thread might be the last to hold it */
        nook_task_unref(task);
    nook__hand_over(task);
    struct letter letter = {
        .loop = loop, .task = task, .options = *options, .given = options->context};
    rc = post(&letter, NOOK__LATE, deliver_task);
    if (rc != 0)
        nook__task_unmake(task);
    else if (out != NULL)
        *out = task;
    return rc;
}

static void deliver_cancel(struct nook__run *run, struct nook__message *message)
{
    struct letter *letter = letter_of(message);
    (void)run;
    nook__cancel(letter->task);
    nook_task_unref(letter->task);
    delivered(letter);
}

int nook_loop_cancel(nook_loop *loop, nook_task *task)
{
    if (loop == NULL || task == NULL)
        return NOOK_EINVAL;
    if (nook_task_done(task))
        return 0;
    pthread_mutex_lock(&loop->lock);
    int ours = loop->run == NULL || task->run == loop->run;
    pthread_mutex_unlock(&loop->lock);
    if (!ours)
        return nook_task_done(task) ? 0 : NOOK_EINVAL;
    int rc = post(&(struct letter){.loop = loop, .task = nook_task_ref(task)}, NOOK__OVER,
                  deliver_cancel);
    if (rc != 0)
        nook_task_unref(task);
    return rc;
}

/* --- callbacks and events ---------------------------------------------------------- */

static void deliver_handle(struct nook__run *run, struct nook__message *message)
{
    struct letter *letter = letter_of(message);
    nook__handle_deliver(run, letter->handle);
    nook_handle_unref(letter->handle);
    delivered(letter);
}

int nook_loop_call_soon(nook_loop *loop, nook_handle **out, nook_callback_fn fn, void *arg,
                        nook_context *context)
{
    struct nook__run *run;
    unsigned workers;
    nook_handle *handle;
    if (loop == NULL || fn == NULL)
        return NOOK_EINVAL;
    int rc = ask(loop, &run, &workers);
    if (rc == 0)
        rc = nook__handle_make(&handle, run, fn, arg, context);
    if (rc != 0)
        return rc;
    handle->kept = context != NULL;
    nook__hand_over(handle);
    struct letter letter = {.loop = loop, .handle = nook_handle_ref(handle), .given = context};
    rc = post(&letter, NOOK__LATE, deliver_handle);
    if (rc != 0) {
        nook_handle_unref(handle);
        nook__handle_unmake(handle);
    } else if (out != NULL) {
        *out = handle;
    } else {
        nook_handle_unref(handle);
    }
    return rc;
}

static void deliver_event(struct nook__run *run, struct nook__message *message)
{
    struct letter *letter = letter_of(message);
    (void)run;
    nook__event_set(letter->event);
    delivered(letter);
}

int nook_loop_set_event(nook_loop *loop, nook_event *event)
{
    if (loop == NULL || event == NULL)
        return NOOK_EINVAL;
    nook__hand_over(event);
    return post(&(struct letter){.loop = loop, .event = event}, NOOK__OVER, deliver_event);
}

/* --- waiting ------------------------------------------------------------------------ */

static struct timespec after(uint64_t ns)
{
    uint64_t now = nook_now();
    uint64_t when = ns < INT64_MAX - now ? now + ns : INT64_MAX;
    return (struct timespec){.tv_sec = (time_t)(when / 1000000000),
                             .tv_nsec = (long)(when % 1000000000)};
}

/* Under the loop's lock. A task ends before its run is over. */
static int await(nook_loop *loop, const nook_task *task, uint64_t ns)
{
    struct timespec until = after(ns);
    int rc = 0;
    loop->waiting++;
    while (rc == 0 && !nook_task_done(task)) {
        if (task->run != loop->run)
            rc = NOOK_EINVAL;
        else if (ns == UINT64_MAX)
            pthread_cond_wait(&loop->ended, &loop->lock);
        else if (pthread_cond_timedwait(&loop->ended, &loop->lock, &until) == ETIMEDOUT)
            rc = nook_task_done(task) ? 0 : NOOK_ETIMEDOUT;
    }
    loop->waiting--;
    return rc;
}

int nook_loop_join(nook_loop *loop, nook_task *task, uint64_t ns, int *result)
{
    if (loop == NULL || task == NULL)
        return NOOK_EINVAL;
    if (nook__here() != NULL)
        return NOOK_EBUSY;
    pthread_mutex_lock(&loop->lock);
    int rc = await(loop, task, ns);
    pthread_mutex_unlock(&loop->lock);
    if (rc == 0 && result != NULL)
        *result = nook__result(task);
    return rc;
}
