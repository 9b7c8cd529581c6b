/* SPDX-License-Identifier: MIT */
/*
 * A look at the tasks of a run from outside.
 *
 * What a report reads of a task that is not the caller's own was written before the
 * task was in the run's list, or under the run's lock, or before the wait was
 * registered, or is atomic. Of a task that is not parked nothing else is read.
 * A run with one worker takes no lock: the worker looks itself, on request.
 *
 * Invariant: a run is in the list of known ones while others may send to it. Who
 * takes it out receives once more, so every request that was sent is answered.
 */
#include "contextlocal/current.h"
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
struct nook__link nook__runs = {&nook__runs, &nook__runs}; /* a debugger looks here */
static uint64_t last_number;

void nook__run_known(struct nook__run *run)
{
    pthread_mutex_lock(&known_lock);
    run->number = ++last_number;
    nook__list_append(&nook__runs, &run->known);
    pthread_mutex_unlock(&known_lock);
}

void nook__run_forget(struct nook__run *run)
{
    pthread_mutex_lock(&known_lock);
    nook__list_remove(&run->known);
    pthread_mutex_unlock(&known_lock);
    nook__receive_all(&run->workers[0]);
}

void nook__view_fork(int before)
{
    if (before)
        pthread_mutex_lock(&known_lock);
    else
        pthread_mutex_unlock(&known_lock);
}

void nook__view_child(void)
{
    nook__list_init(&nook__runs);
}

/* --- one task --------------------------------------------------------------- */

static enum nook__state state_of(nook_task *task)
{
    if (task == nook_task_current())
        return NOOK__RUNNING;
    if (task->body->life->wait != NULL)
        return NOOK__PARKED;
    return atomic_load(&task->body->event.ready) ? NOOK__READY : NOOK__RUNNING;
}

/* What the task would find: the chain is the task's own until it is parked. */
static nook_context *context_of(nook_task *task, enum nook__state state)
{
    if (task == nook_task_current())
        return nook_context_ref(nook__current_get());
    return state == NOOK__PARKED ? nook_context_ref(task->body->chain)
                                 : nook_task_context(task);
}

static void see(struct nook__seen *seen, nook_task *task)
{
    enum nook__state state = state_of(task);
    *seen = (struct nook__seen){
        .id = task->body->id,
        .parent = task->body->parent,
        .born = task->body->born,
        .parks = atomic_load_explicit(&task->body->parks, memory_order_relaxed) / 2,
        .state = state,
        .site = task->body->site,
        .worker = nook__home(&task->body->event),
        .stack_size = task->body->stacks != NULL ? nook__stacks_size(task->body->stacks) : 0,
        .context = context_of(task, state),
    };
    memcpy(seen->name, task->body->name, sizeof seen->name);
    uintptr_t low = atomic_load_explicit(&task->body->life->stack_low, memory_order_acquire);
    if (low != 0)
        seen->touched = nook__stack_touched((char *)low, seen->stack_size);
    if (state == NOOK__PARKED) {
        seen->kind = task->body->life->wait->kind;
        seen->caller = task->body->life->wait->caller;
        seen->at = task->body->life->at;
    }
}

/* --- a run ------------------------------------------------------------------ */

static size_t count(const struct nook__link *list)
{
    size_t n = 0;
    for (const struct nook__link *link = list->next; link != list; link = link->next)
        n++;
    return n;
}

int nook__view_take(struct nook__view *view, struct nook__run *run)
{
    size_t n = count(&run->tasks);
    *view = (struct nook__view){
        .run = run->number, .now = nook__clock(run), .workers = run->n_workers};
    view->tasks = calloc(n + 1, sizeof *view->tasks);
    if (view->tasks == NULL)
        return NOOK_ENOMEM;
    for (struct nook__link *link = run->tasks.next; link != &run->tasks; link = link->next)
        see(&view->tasks[view->n++], NOOK__CONTAINER(link, struct nook__body, all)->task);
    view->all = 1;
    return 0;
}

void nook__view_drop(struct nook__view *view)
{
    for (size_t i = 0; i < view->n; i++)
        nook_context_unref(view->tasks[i].context);
    free(view->tasks);
    view->tasks = NULL;
    view->n = 0;
}

/* --- asking a worker -------------------------------------------------------- */

/*
 * It lies in the worker's inbox, and nobody takes it out there. So it lives until both have
 * done with it, who asks and who answers: the second of them frees it.
 */
struct request {
    struct nook__message message;
    struct nook__view *view;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int done, rc; /* done: one of them is */
};

static void request_free(struct request *request)
{
    pthread_cond_destroy(&request->answered);
    pthread_mutex_destroy(&request->lock);
    free(request);
}

static void answer(struct nook__run *run, struct nook__message *message)
{
    struct request *request = NOOK__CONTAINER(message, struct request, message);
    pthread_mutex_lock(&request->lock);
    int forgotten = request->done;
    if (!forgotten)
        request->rc = nook__view_take(request->view, run);
    request->done = 1;
    pthread_cond_signal(&request->answered);
    pthread_mutex_unlock(&request->lock);
    if (forgotten)
        request_free(request);
}

/* Two workers that ask each other answer each other meanwhile. */
static void wait_for(struct request *request, int milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    for (int i = 0; i < milliseconds; i++) {
        until.tv_nsec += 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (nook__here() != NULL)
            nook__receive(nook__here());
        pthread_mutex_lock(&request->lock);
        for (int rc = 0; !request->done && rc != ETIMEDOUT;)
            rc = pthread_cond_timedwait(&request->answered, &request->lock, &until);
        int done = request->done;
        pthread_mutex_unlock(&request->lock);
        if (done)
            return;
    }
}

/* With its answer, or without. */
static int give_up(struct request *request)
{
    pthread_mutex_lock(&request->lock);
    int rc = request->rc, answered = request->done;
    request->done = 1;
    pthread_mutex_unlock(&request->lock);
    if (answered)
        request_free(request);
    return rc;
}

static struct nook__run *find(uint64_t after)
{
    for (struct nook__link *link = nook__runs.next; link != &nook__runs; link = link->next) {
        struct nook__run *run = NOOK__CONTAINER(link, struct nook__run, known);
        if (run->number > after)
            return run;
    }
    return NULL;
}

static struct request *request_new(struct nook__view *view)
{
    struct request *request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    request->message.event.kind = NOOK__MESSAGE;
    request->message.deliver = answer;
    request->view = view;
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->answered, NULL);
    return request;
}

/* The lock of the known is held at the call only. */
static int ask(struct nook__view *view, struct nook__run *run)
{
    enum { PATIENCE = 1000 };
    struct request *request = request_new(view);
    *view = (struct nook__view){.run = run->number, .workers = run->n_workers};
    if (request != NULL)
        nook__send(&run->workers[0], &request->message.event);
    pthread_mutex_unlock(&known_lock);
    if (request == NULL)
        return NOOK_ENOMEM;
    wait_for(request, PATIENCE);
    return give_up(request);
}

int nook__view_next(struct nook__view *view, uint64_t after)
{
    struct nook__worker *here = nook__here();
    *view = (struct nook__view){.run = after};
    pthread_mutex_lock(&known_lock);
    struct nook__run *run = find(after);
    if (run == NULL) {
        pthread_mutex_unlock(&known_lock);
        return NOOK_EEND;
    }
    if (run->solo && (here == NULL || here->run != run))
        return ask(view, run);
    nook__lock(run);
    int rc = nook__view_take(view, run);
    nook__unlock(run);
    pthread_mutex_unlock(&known_lock);
    return rc;
}
