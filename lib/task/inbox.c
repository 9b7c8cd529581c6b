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
 * Work often comes soon, as the answer of one who was just woken. So a worker that has none
 * lingers: it looks here for as long as it would take to wake it, and only then sleeps. What
 * comes meanwhile it has at once, what comes later it has as late as ever. Where nothing comes
 * soon it tries that more and more seldom, so it costs next to nothing. How long a wake takes
 * is up to the kernel and the host: who calls a sleeper says when, and that one looks at the
 * clock. To others a worker that lingers has just not fallen asleep yet; it writes nothing.
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

/* Nanoseconds. A wake that took longer was held up by something else. */
enum { LINGER_MOST = 50000 };

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

static int is_asleep(const struct nook__inbox *inbox)
{
    unsigned state = atomic_load_explicit(&inbox->state, memory_order_seq_cst);
    return state == NOOK__DOZING || state == NOOK__POLLING;
}

/* Release: what was sent is seen by who finds it called; both are one word's changes. */
void nook__call(struct nook__worker *to)
{
    if (is_asleep(&to->inbox) && nook__lingers(to->run))
        atomic_store_explicit(&to->inbox.called, nook__clock(to->run), memory_order_relaxed);
    unsigned state =
        atomic_exchange_explicit(&to->inbox.state, NOOK__CALLED, memory_order_acq_rel);
    if (state == NOOK__DOZING)
        futex_wake(&to->inbox.state);
    else if (state == NOOK__POLLING)
        nook__poller_interrupt(&to->run->poller);
}

/* How long it took since it was called in its sleep, on average. */
static void learn(struct nook__worker *worker, uint64_t called)
{
    uint64_t took = nook__clock(worker->run) - called;
    if (took > LINGER_MOST)
        took = LINGER_MOST;
    worker->wake_ns += ((int64_t)took - worker->wake_ns) / (worker->wake_ns == 0 ? 1 : 8);
}

/* From here on it looks. */
static void wake_up(struct nook__worker *worker)
{
    struct nook__inbox *inbox = &worker->inbox;
    (void)atomic_exchange_explicit(&inbox->state, NOOK__AWAKE, memory_order_acq_rel);
    uint64_t called = atomic_load_explicit(&inbox->called, memory_order_relaxed);
    if (called == 0)
        return;
    atomic_store_explicit(&inbox->called, 0, memory_order_relaxed);
    learn(worker, called);
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
    wake_up(worker);
}

int nook__poll_begin(struct nook__worker *worker)
{
    if (fall_asleep(&worker->inbox, NOOK__POLLING))
        return 1;
    wake_up(worker);
    return 0;
}

void nook__poll_end(struct nook__worker *worker)
{
    wake_up(worker);
}

/* --- lingering ------------------------------------------------------------------ */

/* A hint: what it overlooks keeps the worker from its sleep. */
static int is_wanted(const struct nook__inbox *inbox)
{
    return nook__inbox_news(inbox) ||
           atomic_load_explicit(&inbox->state, memory_order_relaxed) != NOOK__AWAKE;
}

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/* 1: something came. */
static int look_on(struct nook__worker *worker, uint64_t end, int polls)
{
    enum { LOOKS = 16 };
    while (nook__clock(worker->run) < end) {
        for (int i = 0; i < LOOKS; i++, relax())
            if (is_wanted(&worker->inbox))
                return 1;
        if (polls && nook__poller_reports(&worker->run->poller))
            return 1;
    }
    return 0;
}

/* The more often in a row nothing came, the more sleeps it goes to at once, 15 at most. */
void nook__linger(struct nook__worker *worker, uint64_t until, int polls)
{
    enum { IN_VAIN_MOST = 4 };
    if (worker->sleeps_at_once > 0) {
        worker->sleeps_at_once--;
        return;
    }
    uint64_t end = nook__clock(worker->run) + (uint64_t)worker->wake_ns;
    if (look_on(worker, end < until ? end : until, polls))
        worker->in_vain = 0;
    else if (worker->in_vain < IN_VAIN_MOST)
        worker->in_vain++;
    worker->sleeps_at_once = (1U << worker->in_vain) - 1;
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
    if (is_asleep(inbox))
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
