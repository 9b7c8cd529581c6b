/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker that is a thread.
 *
 * A worker takes from its own queue, and from the one that all share. With
 * nothing to do it sleeps: one of them in the poller, until the next timer, the
 * others at their inboxes. Invariant: while something is waited for and a worker
 * sleeps, one of them watches or was called to; so whoever leaves the watch calls the
 * next.
 *
 * Every so many switches a worker looks round: at its inbox, the clock, the
 * descriptors.
 */
#include "run.h"

enum { BUDGET = 61 };

static struct nook__event *head(struct nook__link *queue)
{
    return nook__list_empty(queue) ? NULL
                                   : NOOK__CONTAINER(queue->next, struct nook__event, link);
}

/* What became ready no later than `order`. */
static struct nook__event *take_shared(struct nook__worker *worker, uint64_t order)
{
    struct nook__run *run = worker->run;
    if (atomic_load_explicit(&run->n_shared, memory_order_relaxed) == 0)
        return NULL;
    nook__lock(run);
    struct nook__event *event = head(&run->shared);
    if (event != NULL && event->order <= order) {
        nook__unshare(run, event);
        nook__take(event);
        event->worker = worker->index;
    } else {
        event = NULL;
    }
    nook__unlock(run);
    return event;
}

/* First come, first served, over both queues: a new task does not starve behind old ones. */
static struct nook__event *take(struct nook__worker *worker)
{
    struct nook__event *own = head(&worker->queue);
    struct nook__event *event = take_shared(worker, own != NULL ? own->order : UINT64_MAX);
    if (event != NULL || own == NULL)
        return event;
    nook__take(own);
    return own;
}

/* --- looking round -------------------------------------------------------------- */

static void look_round(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    int due = worker->budget == 0;
    if (due)
        worker->budget = BUDGET;
    else
        worker->budget--;
    if (atomic_load_explicit(&worker->inbox.full, memory_order_relaxed))
        nook__receive(worker);
    if (!due)
        return;
    nook__lock(run);
    if (run->timers.n > 0)
        nook__timers_fire(run, nook__clock(run));
    if (run->poller.users > 0 && !run->polling)
        nook__poller_wait(run, 0);
    nook__unlock(run);
}

/* --- sleeping --------------------------------------------------------------------- */

/* One sleeper minds the timers and the descriptors. Under the lock, given up meanwhile. */
static void watch(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    uint64_t next = nook__timers_next(run), now = nook__clock(run);
    run->watcher = worker;
    if (run->poller.users == 0) {
        run->blind = 1;
        nook__unlock(run);
        nook__doze(worker, next);
        nook__lock(run);
        run->blind = 0;
    } else if (nook__poll_begin(worker)) {
        nook__poller_wait(run, next == UINT64_MAX ? -1
                               : next > now       ? (int64_t)(next - now)
                                                  : 0);
        nook__poll_end(worker);
    }
    run->watcher = NULL;
    nook__timers_fire(run, nook__clock(run));
}

static void sleep_until_called(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    worker->idle = 1;
    run->idle++;
    if (run->watcher == NULL && (run->poller.users > 0 || run->timers.n > 0)) {
        watch(worker);
    } else {
        nook__unlock(run);
        nook__doze(worker, UINT64_MAX);
        nook__lock(run);
    }
    run->idle -= (unsigned)worker->idle;
    worker->idle = 0;
    if (run->watcher == NULL)
        nook__mind_timer(run);
}

/* Who was called is not idle any more, even before it runs: its work is in a queue already. */
static void rest(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    worker->budget = 0;
    nook__lock(run);
    if (!nook__list_empty(&run->shared) || atomic_load(&worker->inbox.full)) {
        nook__unlock(run);
        return;
    }
    if (run->idle + 1 < run->n_workers || !nook__settle(run))
        sleep_until_called(worker);
    for (unsigned i = 0; run->finished && i < run->n_workers; i++)
        nook__rouse(&run->workers[i]);
    nook__unlock(run);
}

void nook__real_loop(struct nook__worker *worker)
{
    while (!atomic_load_explicit(&worker->run->finished, memory_order_acquire)) {
        look_round(worker);
        struct nook__event *event = take(worker);
        if (event != NULL)
            nook__step(worker, event);
        else
            rest(worker);
    }
}
