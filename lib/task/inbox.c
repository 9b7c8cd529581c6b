/* SPDX-License-Identifier: MIT */
/*
 * How others reach a worker, and how a worker sleeps.
 *
 * What was sent is a list without a lock: the word `events` names who came last, and each
 * event who came before it. Who sends puts itself there by compare-and-swap; the worker
 * takes all of them at once, by an exchange, so nothing is ever taken out of the middle.
 *
 * Invariant: an event that was sent is in the list until the worker takes it. Who sends puts
 * it there, and then looks whether the worker sleeps; who falls asleep says so, and then
 * looks into the list once more. All four are sequentially consistent, hence in one order:
 * either the sender finds it asleep, and calls it, or the worker finds the event.
 *
 * For anything else that it is to look at, a worker is called: the state becomes `called`,
 * from which nobody falls asleep. The worker makes it `awake` again before it looks at all
 * those things, and sleeps only from `awake`. So what came before it made it awake is seen,
 * and what came after keeps it from its sleep. What it has taken and leaves for the next time
 * it calls itself for.
 *
 * To call one that is awake costs no system call. One that dozes sleeps on the state
 * itself, one that polls is told by the poller's eventfd, which may come late, when
 * it polls no more: then the next look at the descriptors is for nothing.
 */
#include "run.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void nook__inbox_open(struct nook__inbox *inbox)
{
    nook__list_init(&inbox->taken);
}

/* --- the state, which is a futex ---------------------------------------------- */

static void futex_wake(atomic_uint *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* While it is `value`, until that time on the monotonic clock. 0: the time has come. */
static int futex_wait(atomic_uint *word, unsigned value, uint64_t until)
{
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000),
                            .tv_nsec = (long)(until % 1000000000)};
    int before = errno, late;
    late = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
                   until != UINT64_MAX ? &time : NULL, NULL, FUTEX_BITSET_MATCH_ANY) != 0 &&
           errno == ETIMEDOUT;
    errno = before; /* the program's, not the worker's */
    return !late;
}

/* Release: what was sent is seen by who finds it called; both are one word's changes. */
void nook__call(struct nook__worker *to)
{
    unsigned state =
        atomic_exchange_explicit(&to->inbox.state, NOOK__CALLED, memory_order_acq_rel);
    if (state == NOOK__DOZING)
        futex_wake(&to->inbox.state);
    else if (state == NOOK__POLLING)
        nook__poller_interrupt(&to->run->poller);
}

/* From here on it looks. */
static void wake_up(struct nook__inbox *inbox)
{
    (void)atomic_exchange_explicit(&inbox->state, NOOK__AWAKE, memory_order_acq_rel);
}

/* 1: it sleeps now, as far as others are concerned. */
static int fall_asleep(struct nook__inbox *inbox, unsigned how)
{
    unsigned awake = NOOK__AWAKE;
    return atomic_compare_exchange_strong_explicit(
               &inbox->state, &awake, how, memory_order_seq_cst, memory_order_acquire) &&
           atomic_load_explicit(&inbox->events, memory_order_seq_cst) == NULL;
}

void nook__doze(struct nook__worker *worker, uint64_t until)
{
    struct nook__inbox *inbox = &worker->inbox;
    if (fall_asleep(inbox, NOOK__DOZING))
        while (atomic_load_explicit(&inbox->state, memory_order_relaxed) == NOOK__DOZING &&
               futex_wait(&inbox->state, NOOK__DOZING, until))
            continue;
    wake_up(inbox);
}

int nook__poll_begin(struct nook__worker *worker)
{
    if (fall_asleep(&worker->inbox, NOOK__POLLING))
        return 1;
    wake_up(&worker->inbox);
    return 0;
}

void nook__poll_end(struct nook__worker *worker)
{
    wake_up(&worker->inbox);
}

/* --- the list -------------------------------------------------------------------- */

void nook__send(struct nook__worker *to, struct nook__event *event)
{
    struct nook__inbox *inbox = &to->inbox;
    struct nook__link *before = atomic_load_explicit(&inbox->events, memory_order_relaxed);
    nook__disturb(to); /* here it travels with the list, whose line it shares */
    do
        event->link.next = before;
    while (!atomic_compare_exchange_weak_explicit(&inbox->events, &before, &event->link,
                                                  memory_order_seq_cst, memory_order_relaxed));
    if (atomic_load_explicit(&to->straight, memory_order_seq_cst) != 0)
        nook__disturb(to); /* it had looked before there was something */
    unsigned state = atomic_load_explicit(&inbox->state, memory_order_seq_cst);
    if (state == NOOK__DOZING || state == NOOK__POLLING)
        nook__call(to);
}

/* Behind what was left, in the order in which they came: who came last is met first. */
static void take_all(struct nook__inbox *inbox)
{
    struct nook__link *place = inbox->taken.prev, *before,
                      *link =
                          atomic_exchange_explicit(&inbox->events, NULL, memory_order_acquire);
    for (; link != NULL; link = before) {
        before = link->next;
        nook__list_append(place->next, link);
    }
}

static void handle(struct nook__worker *worker, struct nook__event *event)
{
    if (event->kind != NOOK__MESSAGE) {
        nook__enqueue(worker, event);
        return;
    }
    struct nook__message *message = NOOK__CONTAINER(event, struct nook__message, event);
    nook__lock(worker->run);
    message->deliver(worker->run, message);
    nook__unlock(worker->run);
}

/*
 * The rest is for the next time. Who sends without end, and faster than it is dealt with,
 * would else keep the worker here, with more each time.
 */
void nook__receive(struct nook__worker *worker)
{
    enum { BATCH = 64 };
    struct nook__inbox *inbox = &worker->inbox;
    take_all(inbox);
    for (int i = 0; i < BATCH && !nook__list_empty(&inbox->taken); i++)
        handle(worker,
               NOOK__CONTAINER(nook__list_pop(&inbox->taken), struct nook__event, link));
    if (nook__list_empty(&inbox->taken))
        return;
    nook__due_now(worker); /* nobody else reminds it, nor keeps it from its sleep */
    (void)atomic_exchange_explicit(&inbox->state, NOOK__CALLED, memory_order_acq_rel);
}

void nook__receive_all(struct nook__worker *worker)
{
    do
        nook__receive(worker);
    while (nook__inbox_full(&worker->inbox));
}
