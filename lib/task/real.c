/* SPDX-License-Identifier: MIT */
/*
 * The loop of a worker that is a thread.
 *
 * A worker does what comes next in its queue and its ring. With none it searches
 * elsewhere [queue.c], and then it sleeps: one of them in the poller, until the next timer, the
 * others at their inboxes. Invariant: while something is waited for and a worker
 * sleeps, one of them watches or was called to; so whoever leaves the watch calls the
 * next.
 *
 * Every so many switches a worker looks round: at the list that all share, its inbox, the
 * clock, the descriptors.
 */
#include "run.h"

enum { BUDGET = 61 };

static struct nook__event *take(struct nook__worker *worker)
{
    struct nook__event *event = nook__queue_next(worker);
    if (event == NULL && nook__search(worker))
        event = nook__queue_next(worker);
    if (event == NULL)
        return NULL;
    if (worker->searching)
        nook__found(worker);
    nook__take(event);
    return event;
}

/* --- looking round -------------------------------------------------------------- */

/* 1: there are timers, or descriptors that nobody polls. A hint, for which no lock is worth
 * it: what comes now is looked at the next time. */
static int minds(struct nook__run *run)
{
    return atomic_load_explicit(&run->timers.n, memory_order_relaxed) > 0 ||
           (atomic_load_explicit(&run->poller.users, memory_order_relaxed) > 0 &&
            atomic_load_explicit(&run->polling, memory_order_relaxed) == 0);
}

static void look_further(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    nook__queue_look(worker);
    if (!minds(run))
        return;
    nook__lock(run);
    if (run->timers.n > 0)
        nook__timers_fire(run, nook__clock(run));
    if (run->poller.users > 0 && !run->polling)
        nook__poller_wait(run, 0);
    nook__unlock(run);
}

/*
 * What a yield need not ask until the worker is due: nothing is in the ring, whose order
 * counts, nor in the inbox, and the run is not being broken, which begins while all workers
 * rest. Of the others, who changes them meanwhile disturbs the worker.
 */
static void go_straight(struct nook__worker *worker)
{
    uint64_t until =
        nook__ring_empty(&worker->ring) && !nook__breaking(worker->run) ? worker->due : 0;
    if (atomic_load_explicit(&worker->straight, memory_order_relaxed) == until)
        return;
    (void)atomic_exchange_explicit(&worker->straight, until, memory_order_seq_cst);
    if (atomic_load_explicit(&worker->inbox.events, memory_order_seq_cst) != NULL)
        nook__disturb(worker);
}

static void look_round(struct nook__worker *worker)
{
    int due = nook__turns(worker) >= worker->due;
    if (due)
        worker->due = nook__turns(worker) + BUDGET;
    if (nook__inbox_full(&worker->inbox))
        nook__receive(worker);
    if (due)
        look_further(worker);
    go_straight(worker);
}

/* --- sleeping --------------------------------------------------------------------- */

/* Under the lock. Who lingers keeps a processor busy, which somebody else may need. */
static int may_linger(const struct nook__run *run)
{
    return run->processors >= run->n_workers + run->pool.busy;
}

/* Under the lock, given up meanwhile. */
static void doze(struct nook__worker *worker, uint64_t until)
{
    struct nook__run *run = worker->run;
    int lingers = may_linger(run);
    nook__unlock(run);
    if (lingers)
        nook__linger(worker, until, 0);
    nook__doze(worker, until);
    nook__lock(run);
}

/* The same. Who changes the timers meanwhile calls the watcher. */
static void poll_until(struct nook__worker *worker, uint64_t until)
{
    struct nook__run *run = worker->run;
    if (may_linger(run)) {
        nook__unlock(run);
        nook__linger(worker, until, 1);
        nook__lock(run);
    }
    if (!nook__poll_begin(worker))
        return;
    uint64_t now = nook__clock(run);
    nook__poller_wait(run, until == UINT64_MAX ? -1 : until > now ? (int64_t)(until - now) : 0);
    nook__poll_end(worker);
}

/* One sleeper minds the timers and the descriptors. Under the lock, given up meanwhile. */
static void watch(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    run->watcher = worker;
    run->blind = run->poller.users == 0;
    if (run->blind)
        doze(worker, nook__timers_next(run));
    else
        poll_until(worker, nook__timers_next(run));
    run->blind = 0;
    run->watcher = NULL;
    nook__timers_fire(run, nook__clock(run));
}

static void sleep_until_called(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    if (run->watcher == NULL && (run->poller.users > 0 || run->timers.n > 0))
        watch(worker);
    else
        doze(worker, UINT64_MAX);
    nook__not_idle(worker);
    if (run->watcher == NULL)
        nook__mind_timer(run);
}

/* Under the lock. 1: nobody else was awake, and now there is something to do, or it is over. */
static int settle(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    if (run->idle < run->n_workers)
        return 0;
    nook__not_idle(worker); /* what is given to it now wakes nobody */
    if (nook__settle(run))
        return 1;
    (void)nook__give_up(worker);
    return 0;
}

/* Who was called is not idle any more, even before it runs: its work is in a queue already. */
static void rest(struct nook__worker *worker)
{
    struct nook__run *run = worker->run;
    nook__due_now(worker);
    nook__lock(run);
    if (nook__give_up(worker) && !nook__inbox_full(&worker->inbox) && !settle(worker))
        sleep_until_called(worker);
    else
        nook__not_idle(worker);
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
