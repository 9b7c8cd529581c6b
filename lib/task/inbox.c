/* SPDX-License-Identifier: MIT */
/*
 * How others reach a worker, and how a worker sleeps.
 *
 * Invariant: an event that was sent is in the list until the worker takes it, and
 * while the list is not empty, or `called` is set, the worker does not fall
 * asleep: it looks under the lock, and so does who sends.
 */
#include "run.h"

#include <errno.h>
#include <time.h>

void nook__inbox_open(struct nook__inbox *inbox)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&inbox->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->came, &attr);
    pthread_condattr_destroy(&attr);
    nook__list_init(&inbox->events);
}

void nook__inbox_close(struct nook__inbox *inbox)
{
    pthread_cond_destroy(&inbox->came);
    pthread_mutex_destroy(&inbox->lock);
}

/* Under the inbox's lock. */
static void wake(struct nook__worker *worker)
{
    if (worker->inbox.state == NOOK__DOZING)
        pthread_cond_signal(&worker->inbox.came);
    else if (worker->inbox.state == NOOK__POLLING)
        nook__poller_interrupt(&worker->run->poller);
}

void nook__send(struct nook__worker *to, struct nook__event *event)
{
    pthread_mutex_lock(&to->inbox.lock);
    nook__list_append(&to->inbox.events, &event->link);
    atomic_store_explicit(&to->inbox.full, 1, memory_order_relaxed);
    wake(to);
    pthread_mutex_unlock(&to->inbox.lock);
}

void nook__call(struct nook__worker *to)
{
    pthread_mutex_lock(&to->inbox.lock);
    to->inbox.called = 1;
    wake(to);
    pthread_mutex_unlock(&to->inbox.lock);
}

enum { BATCH = 64 };

static void take_some(struct nook__inbox *inbox, struct nook__link *some)
{
    nook__list_init(some);
    pthread_mutex_lock(&inbox->lock);
    for (int i = 0; i < BATCH && !nook__list_empty(&inbox->events); i++) {
        struct nook__link *link = inbox->events.next;
        nook__list_remove(link);
        nook__list_append(some, link);
    }
    atomic_store_explicit(&inbox->full, !nook__list_empty(&inbox->events),
                          memory_order_relaxed);
    pthread_mutex_unlock(&inbox->lock);
}

/*
 * The rest is for the next time. Who sends without end, and faster than it is dealt with,
 * would else keep the worker here, with more each time.
 */
void nook__receive(struct nook__worker *worker)
{
    struct nook__link some;
    take_some(&worker->inbox, &some);
    while (!nook__list_empty(&some)) {
        struct nook__event *event = NOOK__CONTAINER(some.next, struct nook__event, link);
        nook__list_remove(&event->link);
        if (event->kind != NOOK__MESSAGE) {
            nook__enqueue(worker, event);
            continue;
        }
        struct nook__message *message = NOOK__CONTAINER(event, struct nook__message, event);
        nook__lock(worker->run);
        message->deliver(worker->run, message);
        nook__unlock(worker->run);
    }
}

void nook__receive_all(struct nook__worker *worker)
{
    do
        nook__receive(worker);
    while (atomic_load_explicit(&worker->inbox.full, memory_order_relaxed));
}

static int quiet(const struct nook__inbox *inbox)
{
    return nook__list_empty(&inbox->events) && !inbox->called;
}

void nook__doze(struct nook__worker *worker, uint64_t until)
{
    struct nook__inbox *inbox = &worker->inbox;
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000),
                            .tv_nsec = (long)(until % 1000000000)};
    int rc = 0;
    pthread_mutex_lock(&inbox->lock);
    inbox->state = NOOK__DOZING;
    while (quiet(inbox) && rc != ETIMEDOUT)
        rc = until == UINT64_MAX ? pthread_cond_wait(&inbox->came, &inbox->lock)
                                 : pthread_cond_timedwait(&inbox->came, &inbox->lock, &time);
    inbox->state = NOOK__AWAKE;
    inbox->called = 0;
    pthread_mutex_unlock(&inbox->lock);
}

int nook__poll_begin(struct nook__worker *worker)
{
    struct nook__inbox *inbox = &worker->inbox;
    pthread_mutex_lock(&inbox->lock);
    int sleep = quiet(inbox);
    if (sleep)
        inbox->state = NOOK__POLLING;
    inbox->called = 0;
    pthread_mutex_unlock(&inbox->lock);
    return sleep;
}

void nook__poll_end(struct nook__worker *worker)
{
    struct nook__inbox *inbox = &worker->inbox;
    pthread_mutex_lock(&inbox->lock);
    inbox->state = NOOK__AWAKE;
    inbox->called = 0;
    pthread_mutex_unlock(&inbox->lock);
}
