/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker that is a thread.
 *
 * A worker takes from its own queue and from the one that all share. With
 * nothing to do it sleeps: one of them in the poller, until the next timer, the
 * others on their conditions. Invariant: while something is waited for and a
 * worker sleeps, one is in the poller or called to it; so whoever goes off to run
 * something looks whether a sleeper must take over the watch.
 */
#include "run.h"

static struct nook__event *head(struct nook__link *queue)
{
    return nook__list_empty(queue) ? NULL
                                   : NOOK__CONTAINER(queue->next, struct nook__event, link);
}

/* First come, first served, over both queues: a new task does not starve behind old ones. */
static struct nook__event *take(struct nook__worker *worker)
{
    struct nook__event *own = head(&worker->queue), *shared = head(&worker->run->shared);
    struct nook__event *event = own;
    if (own == NULL || (shared != NULL && shared->order < own->order))
        event = shared;
    if (event != NULL) {
        nook__take(event);
        event->worker = worker->index; /* under the lock: others may ask where it is at home */
    }
    return event;
}

static void hand_over_watch(struct nook__run *run)
{
    if (run->polling || run->idle == 0 || (run->poller.users == 0 && run->timers.n == 0))
        return;
    for (unsigned i = 0; i < run->n_workers; i++) {
        if (run->workers[i].asleep) {
            nook__signal(run, &run->workers[i]);
            return;
        }
    }
}

static void poll(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    uint64_t next = nook__timers_next(run), now = nook__clock(run);
    run->poller_worker = worker;
    nook__poller_wait(run, next == UINT64_MAX ? -1 : next > now ? (int64_t)(next - now) : 0);
    run->poller_worker = NULL;
    nook__awake(worker);
    nook__timers_fire(run, nook__clock(run));
}

/* Who was called is no longer idle, even before it runs: its work is in a queue already. */
static void rest(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    if (run->idle + 1 == run->n_workers && nook__settle(run)) {
        for (unsigned i = 0; run->finished && i < run->n_workers; i++)
            nook__signal(run, &run->workers[i]);
        return;
    }
    worker->asleep = 1;
    run->idle++;
    if (!run->polling && (run->poller.users > 0 || run->timers.n > 0))
        poll(worker);
    while (worker->asleep)
        pthread_cond_wait(&worker->work, &run->lock);
}

enum { POLL_EVERY = 61 }; /* steps */

void nook__real_loop(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    pthread_mutex_lock(&run->lock);
    for (unsigned tick = 1; !run->finished; tick++) {
        if (run->timers.n > 0)
            nook__timers_fire(run, nook__clock(run));
        if (tick % POLL_EVERY == 0 && run->poller.users > 0 && !run->polling)
            nook__poller_wait(run, 0);
        struct nook__event *event = take(worker);
        if (event == NULL) {
            rest(worker);
            continue;
        }
        hand_over_watch(run);
        pthread_mutex_unlock(&run->lock);
        nook__step(worker, event);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
}
