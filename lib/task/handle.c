/* SPDX-License-Identifier: MIT */
/*
 * Callbacks: soon, later, when a task is done, whenever a descriptor is ready.
 *
 * Each runs on a worker's own stack, in the context that it captured, which was
 * never entered. A handle that is over has given up its context, and is known to
 * nobody but its holders [D7].
 *
 * References: one is the run's, until the handle is over; one is a queue's, while
 * it is ready (one that is over may stay queued, and does nothing); the rest are the
 * user's.
 */
#include "contextlocal/keep.h"
#include "run.h"

#include <stdlib.h>

atomic_long nook__handles_alive;

nook_handle *nook_handle_ref(nook_handle *handle)
{
    if (handle != NULL)
        atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    return handle;
}

/* Gives up n references at once. */
static void give_up(nook_handle *handle, unsigned n)
{
    nook__hand_over(handle);
    if (atomic_fetch_sub_explicit(&handle->refs, n, memory_order_acq_rel) != n)
        return;
    nook__take_over(handle);
    free(handle);
    atomic_fetch_sub_explicit(&nook__handles_alive, 1, memory_order_relaxed);
}

void nook_handle_unref(nook_handle *handle)
{
    if (handle != NULL)
        give_up(handle, 1);
}

static void later(struct nook__run *run, struct nook__timer *timer)
{
    (void)run;
    nook__handle_ready(NOOK__CONTAINER(timer, nook_handle, timer));
}

static void ended(struct nook__joiner *joiner, nook_task *task)
{
    (void)task;
    nook__handle_ready(joiner->owner);
}

static int capture(nook_context *given, nook_context **out)
{
    if (given == NULL)
        return nook_context_inherit(out);
    *out = nook_context_ref(given);
    return 0;
}

int nook__handle_make(nook_handle **out, struct nook__run *run, nook_callback_fn fn, void *arg,
                      nook_context *context)
{
    nook_handle *handle = calloc(1, sizeof(*handle));
    if (handle == NULL)
        return NOOK_ENOMEM;
    int rc = capture(context, &handle->context);
    if (rc != 0) {
        free(handle);
        return rc;
    }
    handle->event.kind = NOOK__CALLBACK;
    atomic_init(&handle->event.look, NOOK__OTHER);
    nook__list_init(&handle->event.link);
    nook__list_init(&handle->all);
    nook__list_init(&handle->on_done.link);
    handle->on_done.ended = ended;
    handle->on_done.owner = handle;
    atomic_init(&handle->refs, 2);
    handle->run = run;
    handle->timer.fire = later;
    handle->fn = fn;
    handle->arg = arg;
    handle->fd = -1;
    atomic_fetch_add_explicit(&nook__handles_alive, 1, memory_order_relaxed);
    *out = handle;
    return 0;
}

static int make(nook_handle **out, nook_callback_fn fn, void *arg, nook_context *context)
{
    struct nook__worker *worker = nook__here();
    if (fn == NULL)
        return NOOK_EINVAL;
    if (worker == NULL)
        return nook__no_task();
    if (nook__late(worker->run))
        return NOOK_ECANCELED;
    return nook__handle_make(out, worker->run, fn, arg, context);
}

void nook__handle_unmake(nook_handle *handle)
{
    nook_context *context = handle->context;
    handle->run = NULL;
    handle->context = NULL;
    nook_context_unref(context);
    give_up(handle, 2); /* the run's, and the caller's */
}

/* Takes it out of everything; what comes back are references to give up without the lock. */
struct debris {
    nook_context *context;
    unsigned refs;
};

/* Under the lock: nothing of it runs in the context any more. */
static void unkeep(nook_handle *handle, nook_context *context)
{
    if (handle->kept)
        nook__context_unkeep(context);
    handle->kept = 0;
}

static struct debris end(nook_handle *handle)
{
    struct debris debris = {handle->context, 0};
    if (handle->run == NULL)
        return (struct debris){NULL, 0};
    if (handle->event.ready && handle->run->solo) { /* else another worker may be at it */
        nook__list_remove(&handle->event.link);
        handle->event.ready = 0;
        debris.refs++;
    }
    nook__timer_remove(handle->run, &handle->timer);
    nook__list_remove(&handle->on_done.link);
    if (handle->fd >= 0)
        nook__poller_remove(handle->run, handle->fd, handle->events);
    nook__list_remove(&handle->all);
    if (!handle->running) /* or when that is over */
        unkeep(handle, handle->context);
    handle->run = NULL;
    handle->context = NULL;
    debris.refs++;
    return debris;
}

static void sweep(nook_handle *handle, struct debris debris)
{
    nook_context_unref(debris.context);
    if (debris.refs != 0)
        give_up(handle, debris.refs);
}

int nook_handle_cancel(nook_handle *handle)
{
    struct nook__worker *worker = nook__here();
    if (handle == NULL)
        return NOOK_EINVAL;
    struct nook__run *run = atomic_load(&handle->run);
    if (run == NULL)
        return 0;
    if (worker == NULL)
        return nook__no_task();
    if (worker->run != run)
        return NOOK_EINVAL;
    nook__lock(run);
    struct debris debris = end(handle); /* nothing, if it is over by now */
    nook__unlock(run);
    sweep(handle, debris);
    return 0;
}

void nook__handles_drop(struct nook__run *run)
{
    nook__lock(run);
    while (!nook__list_empty(&run->handles)) {
        nook_handle *handle = NOOK__CONTAINER(nook__list_pop(&run->handles), nook_handle, all);
        struct debris debris = end(handle);
        nook__unlock(run);
        sweep(handle, debris);
        nook__lock(run);
    }
    nook__unlock(run);
}

/* --- running -------------------------------------------------------------- */

void nook__handle_ready(nook_handle *handle)
{
    if (handle->run == NULL || handle->event.ready)
        return;
    atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    nook__ready(handle->run, &handle->event);
}

void nook__queue_drop(struct nook__worker *worker)
{
    nook__receive_all(worker);
    while (!nook__list_empty(&worker->queue)) {
        struct nook__event *event =
            NOOK__CONTAINER(nook__list_pop(&worker->queue), struct nook__event, link);
        if (event->kind == NOOK__CALLBACK)
            nook_handle_unref(NOOK__CONTAINER(event, nook_handle, event));
    }
}

void nook__call_in(nook_context *context, void (*fn)(void *arg), void *arg)
{
    nook_context *now, *own = nook_state_swap(nook_context_ref(context));
    fn(arg);
    while ((now = nook__current_get()) != NULL && now != context)
        if (nook_context_exit(now) != 0)
            break;
    now = nook_state_swap(own);
    if (now == context)
        nook_context_unref(context);
    else
        nook_state_drop(now);
}

void nook__handle_run(nook_handle *handle)
{
    struct nook__run *run = nook__here()->run;
    struct debris debris = {NULL, 0};
    nook_context *context = NULL;
    nook__take_over(handle);
    nook__lock(run);
    if (handle->context != NULL)
        context = nook_context_ref(handle->context);
    handle->running = 1;
    nook__unlock(run);
    if (context != NULL)
        nook__call_in(context, handle->fn, handle->arg);
    if (nook__lost() != NULL)
        return;
    nook__lock(run);
    handle->running = 0;
    if (handle->run != NULL && handle->fd < 0)
        debris = end(handle);
    else if (handle->run != NULL)
        nook__poller_unmute(run, handle);
    else
        unkeep(handle, context);
    nook__unlock(run);
    nook_context_unref(context);
    debris.refs++; /* the queue's */
    sweep(handle, debris);
}

/* --- making --------------------------------------------------------------- */

enum when { SOON, LATER, AT, DONE, READY };

struct plan {
    enum when when;
    uint64_t ns; /* from now, or the time itself */
    nook_task *task;
    int fd;
    unsigned events;
};

/* Under the lock. */
static int schedule(nook_handle *handle, const struct plan *plan)
{
    struct nook__run *run = handle->run;
    struct nook__fd_user user = {NULL, handle};
    int rc = 0;
    if (plan->when == SOON || (plan->when == DONE && nook_task_done(plan->task))) {
        nook__handle_ready(handle);
    } else if (plan->when == DONE) {
        nook__list_append(&plan->task->body->joiners, &handle->on_done.link);
    } else if (plan->when == LATER) {
        rc = nook__timer_add(run, &handle->timer, plan->ns);
    } else if (plan->when == AT) {
        rc = nook__timer_at(run, &handle->timer, plan->ns);
    } else {
        rc = nook__poller_add(run, plan->fd, plan->events, user);
        if (rc == 0) {
            handle->fd = plan->fd;
            handle->events = plan->events;
        }
    }
    return rc;
}

unsigned nook__handles_home(const struct nook__run *run, const nook_context *context)
{
    for (const struct nook__link *link = run->handles.next; link != &run->handles;
         link = link->next) {
        const nook_handle *handle = NOOK__CONTAINER(link, nook_handle, all);
        if (handle->context == context)
            return nook__home(&handle->event);
    }
    return 0;
}

/* Under the lock. `given`: the context that others may use too, or NULL. Errors as of
 * nook__give_context. */
static int enlist(struct nook__run *run, nook_handle *handle, nook_context *given)
{
    unsigned home = nook__here()->index;
    int rc = given != NULL ? nook__give_context(run, given, &home) : 0;
    handle->kept = given != NULL && rc == 0;
    nook__home_set(&handle->event, home);
    nook__list_append(&run->handles, &handle->all);
    nook__hand_over(handle);
    return rc;
}

void nook__handle_deliver(struct nook__run *run, nook_handle *handle)
{
    nook_context *given = handle->kept ? handle->context : NULL;
    if (handle->run == NULL) /* cancelled meanwhile */
        return;
    (void)enlist(run, handle, given);
    if (given != NULL)
        nook__context_unkeep(given); /* the promise */
    if (!nook__late(run))            /* else the end of the run gives it up */
        nook__handle_ready(handle);
}

static int start(nook_handle **out, nook_callback_fn fn, void *arg, nook_context *context,
                 const struct plan *plan)
{
    struct debris debris = {NULL, 0};
    nook_handle *handle;
    int rc = make(&handle, fn, arg, context);
    if (rc != 0)
        return rc;
    struct nook__run *run = handle->run;
    nook__lock(run);
    rc = enlist(run, handle, context);
    if (rc == 0)
        rc = schedule(handle, plan);
    if (rc != 0)
        debris = end(handle);
    nook__unlock(run);
    if (rc == 0 && out != NULL)
        *out = handle;
    else
        debris.refs++; /* the caller's */
    sweep(handle, debris);
    return rc;
}

int nook_call_soon(nook_handle **out, nook_callback_fn fn, void *arg, nook_context *context)
{
    return start(out, fn, arg, context, &(struct plan){.when = SOON});
}

int nook_call_later(nook_handle **out, uint64_t ns, nook_callback_fn fn, void *arg,
                    nook_context *context)
{
    return start(out, fn, arg, context, &(struct plan){.when = LATER, .ns = ns});
}

int nook_call_at(nook_handle **out, uint64_t when, nook_callback_fn fn, void *arg,
                 nook_context *context)
{
    return start(out, fn, arg, context, &(struct plan){.when = AT, .ns = when});
}

int nook_task_on_done(nook_handle **out, nook_task *task, nook_callback_fn fn, void *arg,
                      nook_context *context)
{
    if (task == NULL || (nook__here() != NULL && nook__task_foreign(task)))
        return NOOK_EINVAL;
    return start(out, fn, arg, context, &(struct plan){.when = DONE, .task = task});
}

int nook_on_fd(nook_handle **out, int fd, unsigned events, nook_callback_fn fn, void *arg,
               nook_context *context)
{
    if (events == 0 || (events & ~(NOOK_READABLE | NOOK_WRITABLE)) != 0)
        return NOOK_EINVAL;
    return start(out, fn, arg, context,
                 &(struct plan){.when = READY, .fd = fd, .events = events});
}
